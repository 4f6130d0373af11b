"""The numbers that say how good a model is, each on a case that can be checked by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

from app.vectors import l2_normalize
from tests.training.faces.patterns import synthetic_crops
from training.faces.metrics import error_curve, tar_at_far, ten_fold_accuracy
from training.faces.oneshot import episodes, one_shot_rank1, open_set
from training.faces.plots import plot_errors, plot_mining, plot_run
from training.faces.same_person import people_of


def test_ten_folds_by_hand() -> None:
    same = np.tile([True, False], 50)
    fold = np.repeat(np.arange(10), 10)
    perfect = np.where(same, 0.8, 0.1)
    assert ten_fold_accuracy(perfect, same, fold).mean == 1.0
    broken = perfect.copy()
    broken[:10] = np.nan  # not acquired: an error for genuine and impostor pairs alike
    result = ten_fold_accuracy(broken, same, fold)
    assert result.mean == pytest.approx(0.9)
    assert result.failure_to_acquire == pytest.approx(0.1)


def test_error_rates_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.5, 0.4, 0.35, 0.2, 0.1])
    same = np.array([True, True, True, False, False, False, False, False])
    assert tar_at_far(similarities, same, 0.0) == pytest.approx(2 / 3)
    assert tar_at_far(similarities, same, 0.6) == pytest.approx(1.0)


def test_one_shot_rank1_by_hand() -> None:
    vectors = l2_normalize(np.array([[1, 0], [1, 0.1], [0, 1], [0.9, 0.2], [1, 1], [0, 1]]))
    identity = np.array(["a", "a", "b", "b", "c", ""])
    result = one_shot_rank1(vectors, identity)
    assert (result.people, result.probes, result.rank1) == (2, 2, 0.5)


def test_photos_that_somebody_found_to_show_one_person_are_no_impostors() -> None:
    crops = synthetic_crops(1, 4)
    nobody = replace(
        crops,
        files=np.array(["00114.webp", "09571.webp", "not-in-the-list.webp", "another.webp"]),
        identity=np.array(["", "", "", "somebody"]),
    )
    people = people_of(nobody)
    assert people[0] == people[1]
    assert len(set(people)) == 3
    assert people[3] == "somebody"


def test_strangers_set_the_threshold_of_open_set_identification() -> None:
    """a1 -> a2 at 0.96 is right, b1 -> b2 at 0.8 too; a stranger comes as near as 0.9 to a."""

    def at(degrees: float) -> list[float]:
        return [float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))]

    vectors = np.array([at(0), at(16), at(120), at(157), at(-26)], dtype=np.float32)
    identity = np.array(["a", "a", "b", "b", "stranger"])
    assert one_shot_rank1(vectors, identity).rank1 == 1.0
    result = open_set(vectors, identity, fpir=0.01)
    assert (result.strangers, result.fnir) == (1, 0.5), "b's probe lies below the stranger's"
    assert open_set(vectors[:4], identity[:4]).strangers == 0


def test_episodes_are_as_hard_as_they_have_ways() -> None:
    rng = np.random.default_rng(2)
    people = rng.normal(size=(30, 8))
    photos = people.repeat(2, axis=0) + rng.normal(0, 1.0, (60, 8))
    identity = np.array([f"p{i // 2}" for i in range(60)])
    few = episodes(l2_normalize(photos), identity, ways=2, count=300)
    many = episodes(l2_normalize(photos), identity, ways=20, count=300)
    assert 1.0 > few.accuracy > many.accuracy > 1 / 20
    assert 0.0 < few.margin < 0.05
    exact = episodes(l2_normalize(people.repeat(2, axis=0)), identity, ways=20, count=20)
    assert exact.accuracy == 1.0
    assert np.isnan(episodes(l2_normalize(photos), identity, ways=31).accuracy)


def test_the_error_curve_meets_the_rates_counted_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.5, 0.4, np.nan])
    same = np.array([True, True, True, False, False, False])
    curve = error_curve(similarities, same)
    points = list(zip(curve.false_match.round(3), curve.false_non_match.round(3), strict=True))
    assert points == [
        (0.0, 0.667),  # accepted at 0.9 and above
        (0.0, 0.333),
        (0.333, 0.333),
        (0.667, 0.333),
        (0.667, 0.0),
        (1.0, 0.0),  # at -1 the pair that was not acquired would pass, too
    ]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    same = np.arange(400) % 2 == 0
    curve = error_curve(rng.normal(0.3, 0.2, 400) + 0.4 * same, same)
    plot_errors({"model": curve}, tmp_path / "errors.png")
    log = tmp_path / "log.csv"
    log.write_text("step,loss,teaching,one_shot_rank1,teacher_cosine\n1,2,1,.1,.1\n2,1,.5,.2,.3\n")
    plot_run(log, tmp_path / "run.png")
    plot_mining({"random": log, "hard": log}, tmp_path / "mining.png")
    for name in ("errors", "run", "mining"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
