"""Encrypted streams: every change at a chunk border is detected, and memory use is constant."""

import io
import tracemalloc
from collections.abc import Callable

import pytest

from app.crypto.keyring import Keyring, new_key, read_keys
from app.crypto.stream import CHUNK, HEADER, TAG, DecryptingReader, EncryptingWriter
from app.errors import DecryptionFailed

KEYRING = Keyring(read_keys(new_key(), None))
FRAME = CHUNK + TAG


def encrypted(plaintext: bytes, keyring: Keyring = KEYRING, context: str = "snapshot") -> bytes:
    """The whole stream."""
    sink = io.BytesIO()
    writer = EncryptingWriter(sink, keyring, context)
    writer.write(plaintext)
    writer.finish()
    return sink.getvalue()


def decrypted(stream: bytes, keyring: Keyring = KEYRING, context: str = "snapshot") -> bytes:
    """The whole plaintext."""
    return DecryptingReader(io.BytesIO(stream), keyring, context).read()


def chunks(stream: bytes) -> list[bytes]:
    """The encrypted chunks of a stream."""
    return [stream[start : start + FRAME] for start in range(HEADER, len(stream), FRAME)]


def plaintext(count: int) -> bytes:
    """`count` full chunks that differ from each other."""
    return b"".join(bytes([number]) * CHUNK for number in range(count))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_decryption_returns_the_plaintext(size: int) -> None:
    stream = encrypted(b"x" * size)
    assert decrypted(stream) == b"x" * size
    assert len(stream) == HEADER + size + TAG * max(1, -(-size // CHUNK))


def test_reads_of_any_size_return_the_plaintext() -> None:
    content = plaintext(2) + b"the end"
    reader = DecryptingReader(io.BytesIO(encrypted(content)), KEYRING, "snapshot")
    parts = [reader.read(3), reader.read(CHUNK), reader.read(0), reader.read(5 * CHUNK)]
    assert b"".join(parts) == content
    assert reader.read(1) == b""


def test_writes_of_any_size_make_chunks_of_one_size() -> None:
    content, sink = plaintext(3), io.BytesIO()
    writer = EncryptingWriter(sink, KEYRING, "snapshot")
    for start in range(0, len(content), 300_007):
        writer.write(memoryview(content)[start : start + 300_007])
    writer.finish()
    assert [len(chunk) for chunk in chunks(sink.getvalue())] == [FRAME] * 3
    assert decrypted(sink.getvalue()) == content


def reordered(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """Two chunks exchanged."""
    return [second, first, third]


def last_moved(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """The last chunk in the middle."""
    return [first, third, second]


def duplicated(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """A chunk twice."""
    return [first, first, second, third]


def last_duplicated(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """The last chunk twice."""
    return [first, second, third, third]


def first_missing(_first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """Without the first chunk."""
    return [second, third]


def last_missing(first: bytes, second: bytes, _third: bytes) -> list[bytes]:
    """Truncated at a chunk border."""
    return [first, second]


def all_missing(_first: bytes, _second: bytes, _third: bytes) -> list[bytes]:
    """Truncated behind the header."""
    return []


def cut(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """Truncated within the last chunk."""
    return [first, second, third[:-1]]


def cut_in_the_tag(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """Truncated to less than a tag behind a chunk border."""
    return [first, second, third[: TAG - 1]]


def appended(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """A byte behind the last chunk."""
    return [first, second, third, b"x"]


def changed(first: bytes, second: bytes, third: bytes) -> list[bytes]:
    """One bit flipped."""
    return [first, bytes([second[0] ^ 1]) + second[1:], third]


@pytest.mark.parametrize(
    "change",
    [
        reordered,
        last_moved,
        duplicated,
        last_duplicated,
        first_missing,
        last_missing,
        all_missing,
        cut,
        cut_in_the_tag,
        appended,
        changed,
    ],
)
def test_changed_chunks_are_detected(change: Callable[[bytes, bytes, bytes], list[bytes]]) -> None:
    stream = encrypted(plaintext(3))
    first, second, third = chunks(stream)
    with pytest.raises(DecryptionFailed):
        decrypted(stream[:HEADER] + b"".join(change(first, second, third)))


def test_chunks_of_another_stream_are_detected() -> None:
    """Same key, same context, same chunk number."""
    one, other = encrypted(plaintext(2)), encrypted(plaintext(2))
    with pytest.raises(DecryptionFailed):
        decrypted(one[: HEADER + FRAME] + other[HEADER + FRAME :])


@pytest.mark.parametrize("position", range(HEADER))
def test_every_byte_of_the_header_is_authenticated(position: int) -> None:
    stream = bytearray(encrypted(b"plaintext"))
    stream[position] ^= 1
    with pytest.raises(DecryptionFailed):
        decrypted(bytes(stream))


def test_a_truncated_header_is_detected() -> None:
    with pytest.raises(DecryptionFailed, match="not an encrypted stream"):
        decrypted(encrypted(b"plaintext")[: HEADER - 1])


def test_another_context_is_detected() -> None:
    with pytest.raises(DecryptionFailed):
        decrypted(encrypted(b"plaintext"), context="another collection")


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    old, new = read_keys(f"{new_key()},{new_key()}", None)
    stream = encrypted(b"plaintext", Keyring([old]))
    assert decrypted(stream, Keyring([new, old])) == b"plaintext"
    with pytest.raises(DecryptionFailed, match="not in the encryption keys"):
        decrypted(stream, Keyring([new]))


def test_memory_use_is_constant(tmp_path_factory: pytest.TempPathFactory) -> None:
    """64 MiB are written and read with a few chunks in memory."""
    file, block = tmp_path_factory.mktemp("stream") / "stream", bytes(CHUNK)
    tracemalloc.start()
    try:
        with file.open("wb") as sink:
            writer = EncryptingWriter(sink, KEYRING, "snapshot")
            for _ in range(64):
                writer.write(block)
            writer.finish()
        with file.open("rb") as source:
            reader = DecryptingReader(source, KEYRING, "snapshot")
            while reader.read(CHUNK):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * CHUNK
