"""Losses of the triplet and siamese stages on embeddings that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from tests.training.faces.patterns import synthetic_crops, training_data, with_targets
from training.faces.batches import Batch, Photos
from training.faces.config import DistillConfig, SiameseConfig, TripletConfig
from training.faces.objectives import Distillation, SiameseTuning, TripletTuning


def test_a_stranger_similar_to_the_anchor_for_the_teacher_is_no_negative() -> None:
    """All embeddings are equal, so every allowed triplet is active."""
    crops = synthetic_crops(3, 2)
    crops = replace(crops, identity=np.array(["a", "a", "b", "b", "", ""]))
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0.1], [1, 0]], dtype=np.float32)
    config = TripletConfig(people=2, photos=2, mining="hard", teacher_weight=0.0, trust=0.5)
    tuning = TripletTuning(config, training_data(Photos(crops, targets)))
    rows = torch.tensor([0, 1, 4])
    batch = Batch(torch.empty(3, 3, 80, 80), rows, torch.from_numpy(targets)[rows])
    assert tuning(torch.ones(3, 2), batch) == (0.0, 0.0), "the stranger may show person a"
    rows = torch.tensor([2, 3, 4])
    batch = Batch(torch.empty(3, 3, 80, 80), rows, torch.from_numpy(targets)[rows])
    assert tuning(torch.ones(3, 2), batch).loss.item() == pytest.approx(config.margin)


def test_the_triplet_stage_reports_the_share_of_active_triplets() -> None:
    crops = synthetic_crops(3, 2)
    config = TripletConfig(people=3, photos=2, margin=0.2, mining="hard", teacher_weight=0.0)
    photos = Photos(crops, np.eye(6, dtype=np.float32))
    tuning = TripletTuning(config, training_data(photos))
    batch = Batch(torch.empty(6, 3, 80, 80), torch.arange(6), torch.eye(6))
    apart = torch.eye(3).repeat_interleave(2, dim=0)
    assert tuning(apart, batch) == (0.0, 0.0)
    mixed = torch.eye(3).repeat(2, 1)
    result = tuning(mixed, batch)
    assert result.active == 1.0
    assert result.loss.item() == pytest.approx(2.2)


def test_blends_are_distilled_but_not_mined() -> None:
    photos = with_targets(synthetic_crops(4, 2), 256)
    config = TripletConfig(people=2, photos=2, blends=3, mining="hard", relational_weight=1.0)
    tuning = TripletTuning(config, training_data(photos))
    batch = tuning.batches[0]
    assert batch.rows.tolist()[4:] == [-1, -1, -1]
    exact = tuning(batch.targets, batch)
    away = batch.targets.clone()
    away[4:] = away[4:].roll(1, dims=1)
    changed = tuning(away, batch)
    assert changed.active == exact.active
    assert changed.loss > exact.loss + 0.1


def test_the_siamese_stage_uses_one_genuine_and_one_impostor_pair_per_triplet() -> None:
    photos = Photos(synthetic_crops(2, 2), np.eye(4, dtype=np.float32))
    config = SiameseConfig(people=2, photos=2, margin=1.0, teacher_weight=0.0)
    stage = SiameseTuning(config, training_data(photos))
    batch = Batch(torch.empty(4, 3, 80, 80), torch.arange(4), torch.eye(4))
    apart = torch.eye(2).repeat_interleave(2, dim=0)
    assert stage(apart, batch).loss.item() == pytest.approx(0.0, abs=1e-6)
    at_one_point = torch.ones(4, 2) / 2**0.5
    assert stage(at_one_point, batch).loss.item() == pytest.approx(0.5, abs=1e-5), "(0 + 1) / 2"
    crossed = torch.eye(2).repeat(2, 1)
    assert stage(crossed, batch).loss.item() > 0.9


def test_distillation_with_a_queue_adds_the_pairs_of_past_steps() -> None:
    """In the second step, an exact student still deviates from what it was in the first one."""
    photos = with_targets(synthetic_crops(4, 2), 256)
    plain, queued = (
        Distillation(DistillConfig(batch=4, queue=size), training_data(photos)) for size in (0, 8)
    )
    batch = plain.batches[0]
    wrong = batch.targets.roll(1, dims=1)
    assert queued(wrong, batch).loss == plain(wrong, batch).loss
    assert plain(batch.targets, batch).loss.item() == pytest.approx(0.0, abs=1e-5)
    assert queued(batch.targets, batch).loss.item() > 0.01
