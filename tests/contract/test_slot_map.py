"""The map from row ids to slots."""

import numpy as np

from app.index.faiss.slot_map import SlotMap


def test_it_answers_like_a_dictionary() -> None:
    rng = np.random.default_rng(6)
    slots, oracle = SlotMap(), dict[int, int]()
    for turn in range(60):
        wide = rng.integers(0, 1 << 62, 20)  # ids far apart, and ids next to each other
        ids = np.unique(np.concatenate([wide, rng.integers(0, 2_000, 300)]))
        popped = slots.pop(np.concatenate([ids, ids[:5]]))  # some of them twice
        assert sorted(popped.tolist()) == sorted(
            oracle.pop(one) for one in ids.tolist() if one in oracle
        )
        if turn % 3:
            values = rng.integers(0, 1 << 31, len(ids))
            slots.put(ids, values)
            oracle.update(zip(ids.tolist(), values.tolist(), strict=True))
        assert len(slots) == len(oracle)
    everything = np.array(list(oracle), dtype=np.int64)
    assert sorted(slots.pop(everything).tolist()) == sorted(oracle.values())
    assert len(slots) == 0
    assert len(slots.pop(everything)) == 0
