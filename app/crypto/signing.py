"""Signs archives with Ed25519 (RFC 8032) and checks their signatures."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.errors import InvalidArchive
from app.private_files import create_folder


class Signer:
    """This installation's private key, stored in a file that only its owner can read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def load_or_create(cls, file: Path) -> "Signer":
        """Reads the key from the file, or creates key and file. Raises OSError."""
        if file.exists():
            return cls(Ed25519PrivateKey.from_private_bytes(file.read_bytes()))
        key = Ed25519PrivateKey.generate()
        create_folder(file.parent)
        try:
            number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process created it first
            return cls.load_or_create(file)
        with os.fdopen(number, "wb") as stream:
            stream.write(key.private_bytes_raw())
        return cls(key)

    @property
    def public(self) -> str:
        """The public key in hexadecimal."""
        raw = serialization.PublicFormat.Raw
        return self._key.public_key().public_bytes(serialization.Encoding.Raw, raw).hex()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._key.sign(message)


def check_signature(public: str, message: bytes, signature: bytes) -> None:
    """Raises InvalidArchive where `signature` was not made of `message` by the key `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise InvalidArchive("the signature does not match: the archive was changed") from error
