"""Keys from the settings, and ciphertexts that are bound to a key and a context."""

import hmac
from pathlib import Path

import pytest

from app.crypto.keyring import OVERHEAD, Keyring, new_key, read_keys
from app.errors import DecryptionFailed, InvalidSetting


def test_a_ciphertext_decrypts_only_with_its_key_and_context() -> None:
    old, new = read_keys(f"{new_key()},{new_key()}", None)
    ciphertext = Keyring([old]).encrypt(b"vector", "template a")
    assert len(ciphertext) == len(b"vector") + OVERHEAD
    assert Keyring([new, old]).decrypt(ciphertext, "template a") == b"vector"
    changed = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    for keyring, found, context in (
        (Keyring([new]), ciphertext, "template a"),
        (Keyring([old]), ciphertext, "template b"),
        (Keyring([old]), changed, "template a"),
        (Keyring([old]), ciphertext[:10], "template a"),
        (Keyring([old]), b"", "template a"),
    ):
        with pytest.raises(DecryptionFailed):
            keyring.decrypt(found, context)


def test_blind_indexes_are_keyed_per_purpose_and_never_change() -> None:
    """Stored digests must be found by later versions: HMAC-SHA256 by a key from HKDF-SHA256,
    computed here as RFC 5869 defines it."""
    keyring = Keyring([bytes(range(32)), bytes(32)])
    external_ids = keyring.blind_indexes("EXT-4711", "external_id")
    assert external_ids[0] == "d9316aacb870d39576ab49ba09318a15"
    assert keyring.blind_indexes("EXT-4711", "name")[0] == "969b5c37e6eefcfaedca2b1596c6305a"
    assert external_ids[1:] == Keyring([bytes(32)]).blind_indexes("EXT-4711", "external_id")
    assert Keyring().blind_indexes("EXT-4711", "name") == ()
    pseudorandom = hmac.digest(bytes(32), bytes(range(32)), "sha256")
    key = hmac.digest(pseudorandom, b"sima blind index external_id\x01", "sha256")
    assert external_ids[0] == hmac.digest(key, b"EXT-4711", "sha256")[:16].hex()


def test_only_the_newest_key_is_current() -> None:
    old, new = read_keys(f"{new_key()},{new_key()}", None)
    rotating = Keyring([new, old])
    assert not rotating.is_current(Keyring([old]).encrypt(b"vector", "template a"))
    assert rotating.is_current(rotating.encrypt(b"vector", "template a"))


def test_a_keyring_without_keys_is_false() -> None:
    assert not Keyring()
    assert Keyring(read_keys(new_key(), None))


@pytest.mark.parametrize(("setting", "message"), [("abc!", "base64"), ("YWJj", "3 bytes")])
def test_invalid_keys_are_refused(setting: str, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        read_keys(setting, None)


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{new_key()}\n{new_key()}\n", encoding="ascii")
    assert len(read_keys(None, file)) == 2
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_keys(None, tmp_path / "none")
    with pytest.raises(InvalidSetting, match="both set"):
        read_keys(new_key(), file)
