"""Ed25519 signatures and the file of the private key."""

from pathlib import Path

import pytest

from app.crypto.signing import Signer, check_signature
from app.errors import InvalidArchive


def test_the_key_file_is_created_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "signing.key"
    first, second = Signer.load_or_create(file), Signer.load_or_create(file)
    assert first.public == second.public
    assert file.stat().st_mode & 0o777 == 0o600


def test_only_the_signed_message_passes_the_check(tmp_path: Path) -> None:
    signer = Signer.load_or_create(tmp_path / "a")
    other = Signer.load_or_create(tmp_path / "b")
    signature = signer.sign(b"message")
    check_signature(signer.public, b"message", signature)
    for public, message, signed in (
        (other.public, b"message", signature),
        (signer.public, b"another message", signature),
        (signer.public, b"message", signature[:-1]),
        ("not hexadecimal", b"message", signature),
    ):
        with pytest.raises(InvalidArchive, match="signature"):
            check_signature(public, message, signed)
