#!/usr/bin/env bash
# Remakes every number that ships with the model pack from the four labelled sets: the score
# normalisation and its evidence with its digest, then both calibrations.
# `make refit FACES=... OUT=...`
# A run that was stopped goes on: templates are kept, sealed, in OUT until the end.
set -euo pipefail

faces=${1:?where the labelled sets are} out=${2:?where unfinished work goes}
shipped=src/rightface/faces
rightface=.venv/bin/rightface
sets=(
  "$faces/utkface/manifest.csv" "$faces/congress/manifest.csv"
  "$faces/london/manifest.csv" "$faces/lfw/manifest.csv"
  --central lfw --central utkface --pad utkface=40
)
utkface="UTKFace says nothing of who is who, and some people recur: its groups' false match rates are upper bounds. Their labels are estimates of a model, checked by people; its photographs are crops from the web."
others="LFW is mostly men and mostly light-skinned, and known for wrong labels; Congress portraits are posed, some old and grey; London's groups are small."

"$rightface" assay equalise "${sets[@]}" --fit utkface --cohort race --cohort gender --cohort ethnicity \
  --compare --keep --out "$out" \
  --caveat "$utkface" \
  --caveat "Its smallest group has 54 photographs. The ratio of the worst to the best group is of those with 100 or more, and is biased upwards by chance." \
  --caveat "UTKFace is licensed for non-commercial research. What is kept is statistics, no photograph and no template." \
  --caveat "The method was chosen among those of the table by figures of the same data sets: people of other data sets may fare worse."
cp "$out/normalisation.json" "$out/evidence.json" "$shipped/"
.venv/bin/python - "$shipped" <<'PY'
import hashlib, pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
digest = hashlib.sha256((folder / "evidence.json").read_bytes()).hexdigest()
listed = folder / "evidence_files.py"
told = f'FILES: Mapping[str, str] = {{\n    "evidence.json": "{digest}",\n}}'
text, found = re.subn(r"^FILES: Mapping\[str, str\] = \{[^}]*\}", told, listed.read_text(), flags=re.M)
assert found == 1
listed.write_text(text)
PY

calibrate() { # comparison, file
  "$rightface" assay calibrate "${sets[@]}" --apart lfw,congress \
    --cohort race --cohort ethnicity --cohort gender --comparison "$1" \
    --keep --out "$out" --write "$shipped/$2" --show --judge \
    --caveat "Pairs are not independent: the same photographs are in many of them, and a few people of LFW in very many." \
    --caveat "LFW and Congress are known for some wrong labels, and some people may recur under two names; the smallest rates are therefore upper bounds." \
    --caveat "$others" --caveat "$utkface" \
    --caveat "Photographs are of 1970–2010's press and portraits; cameras at doors and gates give others."
}
calibrate equalised calibration.json
calibrate raw calibration-raw.json
.venv/bin/python .ci/equalise_tables.py "$out/equalise.json" > "$out/equalise.md"
rm -r "$out/templates"
echo "Remade: $shipped/{normalisation,evidence,calibration,calibration-raw}.json. Tables: $out."
