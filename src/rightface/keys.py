"""The keys of one instance: what seals data at rest, and what signs.

One master secret (32 bytes; the file `keys/master.key`, mode 0600, or `RIGHTFACE_MASTER_KEY` in
hexadecimal) wraps everything else; sub-keys come from it by HKDF (RFC 5869), one per use, so that
no key serves two. Ed25519 keys (RFC 8032) sign licences, receipts and the ledger's checkpoints;
they lie sealed under the master secret. Knows nothing of what is sealed or signed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
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

    def __init__(self, master: bytes, signers: dict[str, Signer]) -> None:
        if len(master) != 32:
            raise KeysError("The master key is not 32 bytes long.")
        self._master = master
        self._signers = signers
        self._subkeys: dict[str, bytes] = {}

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
        master = _master_from_environment()
        if master is None:
            master = _read_hex(directory / MASTER_FILE)
        wrapping = derive(master, "signing-keys")
        signers = {}
        for use in SIGNERS:
            try:
                seed = unseal(wrapping, _read_hex(directory / f"{use}.key"), use.encode())
            except KeysError as error:
                raise KeysError(
                    f"The master key does not open '{use}.key'.",
                    why="It is another instance's master key, or the file was changed.",
                    mend=f"Restore the keys from a backup, or set {MASTER_VARIABLE} right.",
                ) from error
            signers[use] = Signer(use, Ed25519PrivateKey.from_private_bytes(seed))
        return cls(master, signers)

    def subkey(self, use: str) -> bytes:
        """The 32-byte key for one use, derived from the master secret."""
        if use not in self._subkeys:
            self._subkeys[use] = derive(self._master, use)
        return self._subkeys[use]

    def signer(self, use: str) -> Signer:
        """The signing key for `use`: one of `SIGNERS`."""
        return self._signers[use]

    def commitment(self, use: str, message: str) -> str:
        """A keyed hash (HMAC-SHA256, hex) of `message`, under the sub-key for `use`."""
        return hmac.digest(self.subkey(use), message.encode(), hashlib.sha256).hex()


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
