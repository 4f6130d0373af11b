"""Sign codes estimate angles and are the same in every process."""

import numpy as np

from app.index.shared.sign_codes import BITS, SignCodes
from app.vectors import l2_normalize


def test_the_share_of_differing_bits_estimates_the_angle() -> None:
    rng = np.random.default_rng(3)
    for dimension in (8, 50, 256, 512, 700):
        one = l2_normalize(rng.standard_normal((200, dimension)))
        other = l2_normalize(rng.standard_normal((200, dimension)))
        angle = np.arccos(np.clip((one * other).sum(axis=1), -1, 1))
        codes = SignCodes(dimension)
        differing = np.unpackbits(codes(one) ^ codes(other), axis=1).mean(axis=1)
        assert codes(one).shape == (200, BITS // 8)
        assert np.abs(differing * np.pi - angle).mean() < 0.08


def test_codes_are_the_same_in_every_process() -> None:
    """Codes are stored in databases, so other versions of NumPy must compute the same ones."""
    code = SignCodes(4)(np.eye(4, dtype=np.float32)[:1])
    assert code[0, :8].tobytes().hex() == "00d4898fa293ec65"
