"""The keys of one instance: what seals data at rest, and what signs.

One master secret (32 bytes; the file `keys/master.key`, mode 0600, or `RIGHTFACE_MASTER_KEY` in
hexadecimal) wraps everything else; sub-keys come from it by HKDF (RFC 5869), one per use, so that
no key serves two. Ed25519 keys (RFC 8032) sign licences, receipts and the ledger's checkpoints;
they lie sealed under the master secret. Knows nothing of what is sealed or signed.

The master secret can be changed while a server runs (rotation.py). While `keys/master.next` is
there both are accepted, and the next one seals; an open ring notices by itself. The keys of
commitments do not change with it: what they made is looked up by it, and names are not kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rightface.errors import KeysError

MASTER_VARIABLE = "RIGHTFACE_MASTER_KEY"
MASTER_FILE = "master.key"
NEXT_FILE = "master.next"
KEPT_FILE = "commitments.key"
"""The commitments' keys after a rotation, sealed under the master secret like the signing keys."""
COMMITMENTS = (
    "attester",
    "consent-row",
    "credential",
    "gallery",
    "job-asked",
    "job-token",
    "ledger-subject",
    "ledger-user",
    "request-parameters",
    "request-token",
    "subject",
    "suppression",
    "suppression-client",
    "suppression-row",
    "user",
)
"""The uses of `KeyRing.commitment`: their keys outlive a rotation."""
SIGNERS = ("ledger", "licence", "receipt")
_NONCE = 12  # bytes; AES-GCM's own length (NIST SP 800-38D, 5.2.1.1)


def seal(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """AES-256-GCM under `key`: nonce + ciphertext + tag. `context` is bound, not stored."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """The inverse of `seal`.

    Raises:
        KeysError: wrong key, wrong context, or changed bytes.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
    except (InvalidTag, ValueError) as error:
        raise KeysError(
            "Sealed data cannot be opened.",
            why="The key or the place it is used in is another one, or the bytes were changed.",
        ) from error


@dataclass(frozen=True)
class Signer:
    """An Ed25519 key pair with the use it is for."""

    use: str
    private: Ed25519PrivateKey

    @property
    def public_bytes(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self.private.sign(message)


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `message` under the raw public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class KeyRing:
    """All keys of an instance, opened once per process. Never printed, never pickled."""

    def __init__(
        self, master: bytes, signers: dict[str, Signer], *, directory: Path | None = None
    ) -> None:
        if len(master) != 32:
            raise KeysError("The master key is not 32 bytes long.")
        self._masters = [master]  # the one that seals first; then what is accepted too
        self._signers = signers
        self._subkeys: dict[tuple[bytes, str], bytes] = {}
        self._kept: dict[str, bytes] = {}
        self._directory = directory  # None: the master secret is not in a file that may change
        self._seen = -1
        self._loading = threading.Lock()

    def __repr__(self) -> str:
        return "<KeyRing>"

    @classmethod
    def create(cls, directory: Path) -> KeyRing:
        """Make fresh keys in `directory` (mode 0700; files 0600).

        Raises:
            KeysError: keys are there already.
        """
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        if any(directory.iterdir()):
            raise KeysError(
                "There are keys in this data directory already.", mend="Use another directory."
            )
        master = _master_from_environment()
        if master is None:
            master = secrets.token_bytes(32)
            _write_private(directory / MASTER_FILE, master.hex().encode() + b"\n")
        wrapping = derive(master, "signing-keys")
        for use in SIGNERS:
            sealed = seal(wrapping, os.urandom(32), use.encode())
            _write_private(directory / f"{use}.key", sealed.hex().encode() + b"\n")
        return cls.open(directory)

    @classmethod
    def open(cls, directory: Path) -> KeyRing:
        """Read the keys of `directory`.

        Raises:
            KeysError: one is missing, unreadable, readable by others, or does not open.
        """
        given = _master_from_environment()
        masters = [given] if given is not None else _masters(directory)
        signers = {}
        for use in SIGNERS:
            try:
                seed = _open_with(masters, directory / f"{use}.key", use)
            except KeysError as error:
                raise KeysError(
                    f"The master key does not open '{use}.key'.",
                    why="It is another instance's master key, or the file was changed.",
                    mend=f"Restore the keys from a backup, or set {MASTER_VARIABLE} right.",
                ) from error
            signers[use] = Signer(use, Ed25519PrivateKey.from_private_bytes(seed))
        ring = cls(masters[0], signers, directory=None if given is not None else directory)
        ring._load(directory, masters)
        return ring

    @property
    def directory(self) -> Path | None:
        """Where the master secret lies; None: it came from elsewhere and cannot be changed here."""
        return self._directory

    def _load(self, directory: Path, masters: list[bytes]) -> None:
        self._seen = _changed_at(directory)
        self._masters = masters
        if (directory / KEPT_FILE).exists():
            told = json.loads(_open_with(masters, directory / KEPT_FILE, KEPT_FILE))
            self._kept = {use: bytes.fromhex(key) for use, key in told.items()}

    def refresh(self) -> bool:
        """Look whether the master secret is being changed; whether it was. Costs one `stat`."""
        directory = self._directory
        if directory is None or _changed_at(directory) == self._seen:
            return False
        with self._loading:
            for _ in range(3):
                try:
                    self._load(directory, _masters(directory))
                    return True
                except KeysError:  # renamed in between: look again
                    continue
        return False

    def subkey(self, use: str) -> bytes:
        """The 32-byte key that seals for one use now, derived from the master secret."""
        self.refresh()
        return self._subkey(self._masters[0], use)

    def _subkey(self, master: bytes, use: str) -> bytes:
        if (master, use) not in self._subkeys:
            self._subkeys[master, use] = derive(master, use)
        return self._subkeys[master, use]

    def unseal(self, use: str, sealed: bytes, context: bytes) -> bytes:
        """What was sealed under the sub-key for one use, by the present or the next master secret.

        Raises:
            KeysError: wrong key, wrong context, or changed bytes.
        """
        for again in (False, True):
            if again and not self.refresh():
                break
            for master in self._masters:
                with suppress(KeysError):
                    return unseal(self._subkey(master, use), sealed, context)
        return unseal(self._subkey(self._masters[0], use), sealed, context)  # raises

    def signer(self, use: str) -> Signer:
        """The signing key for `use`: one of `SIGNERS`."""
        return self._signers[use]

    def commitment(self, use: str, message: str) -> str:
        """A keyed hash (HMAC-SHA256, hex) of `message`, under the sub-key for `use`."""
        key = self._kept.get(use) or self._subkey(self._masters[-1], use)
        return hmac.digest(key, message.encode(), hashlib.sha256).hex()


# ---------------------------------------------------------------- changing the master secret
def begin_rotation(directory: Path) -> bytes:
    """Write down the next master secret, the commitments' keys first; go on if that was done.

    Returns:
        The present master secret, which is accepted until `finish_rotation`.

    Raises:
        KeysError: the master secret is in the environment, or a file cannot be read.
    """
    if _master_from_environment() is not None:
        raise KeysError(
            f"The master key comes from {MASTER_VARIABLE}; it cannot be changed in place.",
            mend="Put it into the file keys/master.key (mode 0600) and unset the variable.",
        )
    master = _read_hex(directory / MASTER_FILE)
    if not (directory / KEPT_FILE).exists():
        told = json.dumps({use: derive(master, use).hex() for use in COMMITMENTS})
        _replace(directory / KEPT_FILE, _wrapped(master, told.encode(), KEPT_FILE))
    if not (directory / NEXT_FILE).exists():
        _replace(directory / NEXT_FILE, secrets.token_bytes(32))
    return master


def finish_rotation(directory: Path) -> None:
    """Seal the signing and the commitments' keys anew; from then on the next secret is the one.

    Raises:
        KeysError: a file cannot be read or does not open.
    """
    masters = _masters(directory)
    if len(masters) < 2:
        return
    for name, context in (*((f"{use}.key", use) for use in SIGNERS), (KEPT_FILE, KEPT_FILE)):
        content = _open_with(masters, directory / name, context)
        _replace(directory / name, _wrapped(masters[0], content, context))
    (directory / NEXT_FILE).replace(directory / MASTER_FILE)
    _flush(directory)


def rotating(directory: Path) -> bool:
    """Whether a change of the master secret is under way."""
    return (directory / NEXT_FILE).exists()


def _masters(directory: Path) -> list[bytes]:
    # The one that seals first.
    found = [_read_hex(directory / MASTER_FILE)]
    if (directory / NEXT_FILE).exists():
        found.insert(0, _read_hex(directory / NEXT_FILE))
    return found


def _open_with(masters: list[bytes], path: Path, context: str) -> bytes:
    sealed = _read_hex(path)
    for master in masters[:-1]:
        with suppress(KeysError):
            return unseal(derive(master, "signing-keys"), sealed, context.encode())
    return unseal(derive(masters[-1], "signing-keys"), sealed, context.encode())


def _wrapped(master: bytes, content: bytes, context: str) -> bytes:
    return seal(derive(master, "signing-keys"), content, context.encode())


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    _write_private(beside, content.hex().encode() + b"\n")
    beside.replace(path)
    _flush(path.parent)


def _flush(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _changed_at(directory: Path) -> int:
    try:
        return directory.stat().st_mtime_ns
    except OSError:
        return -1


def backup_key(directory: Path) -> bytes:
    """What backups are sealed under: derived from the master key, in the environment or here.

    Raises:
        KeysError: there is no master key, or it cannot be read.
    """
    master = _master_from_environment()
    if master is None:
        master = _read_hex(directory / MASTER_FILE)
    return derive(master, "backup")


def derive(master: bytes, use: str) -> bytes:
    """HKDF-SHA256 of the master secret with the use as its info: 32 bytes."""
    return HKDF(SHA256(), 32, None, b"rightface/" + use.encode()).derive(master)


def _master_from_environment() -> bytes | None:
    text = os.environ.get(MASTER_VARIABLE)
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise KeysError(
            f"{MASTER_VARIABLE} is not hexadecimal.", mend="Give 64 hexadecimal digits."
        ) from None


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_hex(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(
            f"The key file '{path.name}' cannot be read.",
            why=type(error).__name__,
            mend="Restore it from a backup; without it the sealed data is lost.",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(
            f"The key file '{path.name}' is open to other users.", mend="chmod 600 the file."
        )
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise KeysError(
            f"The key file '{path.name}' is damaged.", mend="Restore it from a backup."
        ) from None
