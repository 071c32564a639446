// Checks a published ledger with Go's own packages for notes and tiled logs (golang.org/x/mod/sumdb),
// which know nothing of rightface. Usage: main DIRECTORY VKEY < PROOFS.json
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A tiles reader over a directory in the layout of C2SP tlog-tiles, which is Go's own less the
// height, 8, in the path.
type directory string

func (d directory) Height() int { return 8 }

func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(d), path))
		if err != nil { // a partial tile that has grown full: its beginning serves
			full := tile
			full.W = 256
			path = strings.Replace(full.Path(), "tile/8/", "tile/", 1)
			if data, err = os.ReadFile(filepath.Join(string(d), path)); err != nil {
				return nil, err
			}
			data = data[:tile.W*tlog.HashSize]
		}
		all = append(all, data)
	}
	return all, nil
}

type proofs struct {
	Inclusion []struct {
		Index int64
		Path  []string
	}
	Consistency []struct {
		Old, New         int64
		OldRoot, NewRoot string
		Path             []string
	}
}

func must(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func hash(text string) tlog.Hash {
	parsed, err := tlog.ParseHash(text)
	must("hash", err)
	return parsed
}

func hashes(texts []string) []tlog.Hash {
	var parsed []tlog.Hash
	for _, text := range texts {
		parsed = append(parsed, hash(text))
	}
	return parsed
}

func entries(dir string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: 256}
		if size-n*256 < 256 {
			tile.W = int(size - n*256)
		}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(dir, path))
		must("bundle", err)
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func main() {
	dir, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	must("vkey", err)
	message, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must("checkpoint", err)
	opened, err := note.Open(message, note.VerifierList(verifier))
	must("note", err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() || len(lines) != 4 {
		log.Fatalf("checkpoint: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must("size", err)
	tree := tlog.Tree{N: size, Hash: hash(lines[2])}
	reader := tlog.TileHashReader(tree, directory(dir))
	if size > 0 {
		root, err := tlog.TreeHash(size, reader)
		must("root", err)
		if root != tree.Hash {
			log.Fatalf("root: %v", root)
		}
	}

	all := entries(dir, size)
	if int64(len(all)) != size {
		log.Fatalf("%d entries", len(all))
	}
	for index, entry := range all {
		found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
		must("leaf", err)
		if found[0] != tlog.RecordHash(entry) {
			log.Fatalf("entry %d", index)
		}
	}

	var given proofs
	must("json", json.NewDecoder(os.Stdin).Decode(&given))
	for _, each := range given.Inclusion {
		leaf := tlog.RecordHash(all[each.Index])
		path := tlog.RecordProof(hashes(each.Path))
		must("inclusion", tlog.CheckRecord(path, size, tree.Hash, each.Index, leaf))
		theirs, err := tlog.ProveRecord(size, each.Index, reader)
		must("their inclusion", err)
		if !bytes.Equal(flat(theirs), flat(path)) {
			log.Fatalf("inclusion of %d: %v", each.Index, theirs)
		}
	}
	for _, each := range given.Consistency {
		path := tlog.TreeProof(hashes(each.Path))
		oldRoot, newRoot := hash(each.OldRoot), hash(each.NewRoot)
		must("consistency", tlog.CheckTree(path, each.New, newRoot, each.Old, oldRoot))
		theirs, err := tlog.ProveTree(each.New, each.Old, reader)
		must("their consistency", err)
		if !bytes.Equal(flat(theirs), flat(path)) {
			log.Fatalf("consistency of %d and %d: %v", each.Old, each.New, theirs)
		}
	}
	fmt.Printf("%d entries, %d inclusion proofs, %d consistency proofs\n",
		size, len(given.Inclusion), len(given.Consistency))
}

func flat(path []tlog.Hash) []byte {
	var all []byte
	for _, each := range path {
		all = append(all, each[:]...)
	}
	return all
}
