"""Triplet miners on points whose distances are known."""

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from training.faces.miners import HardMiner, RandomMiner, SemiHardMiner


def test_each_miner_chooses_its_kind_of_negative() -> None:
    """Points on a circle: two photos of A, and negatives that are nearer or farther."""
    angle = torch.tensor([0.0, 30.0, 20.0, 40.0, 180.0]).deg2rad()
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    labels = torch.tensor([0, 0, 1, 2, 3])

    def negative_of_first(miner: HardMiner | SemiHardMiner | RandomMiner) -> list[int]:
        triplets = miner(points, labels)
        first = (triplets.anchor == 0) & (triplets.positive == 1)
        return triplets.negative[first].tolist()

    assert negative_of_first(HardMiner()) == [2]
    assert negative_of_first(SemiHardMiner(margin=0.5)) == [3]
    assert negative_of_first(SemiHardMiner(margin=0.01)) == [], "no semi-hard negative"
    drawn = {negative_of_first(RandomMiner(seed))[0] for seed in range(40)}
    assert drawn == {2, 3, 4}
    all_different = torch.arange(5)
    for miner in (HardMiner(), SemiHardMiner(1.0), RandomMiner()):
        assert len(miner(points, all_different)) == 0
        assert len(miner(points, torch.zeros(5))) == 0, "no negative"
