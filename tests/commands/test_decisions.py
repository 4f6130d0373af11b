"""The commands that steer decisions of galleries, run as subprocesses."""

import json
from pathlib import Path

import pytest

from app.inference.manifest import read_manifest
from app.wiring.services import open_database
from tests.commands.test_cli import sima
from tests.conftest import make_settings
from tests.models import SHIPPED
from tests.store.galleries import add_people, made_up_people

pytestmark = pytest.mark.slow


def test_options_of_a_gallery(tmp_path: Path) -> None:
    created = json.loads(
        sima(tmp_path, "collections", "create", "staff", "--target-fmr", "0.0001", "--json")
    )
    assert (created["target_fmr"], created["target_fpir"]) == (0.0001, None)
    arguments = ("--threshold", "0.5", "--unset", "target_fmr", "--json")
    changed = json.loads(sima(tmp_path, "collections", "set", "staff", *arguments))
    assert (changed["target_fmr"], changed["threshold"]) == (None, 0.5)
    assert changed["decisions"]["verify"]["threshold"] == 0.5
    shown = sima(tmp_path, "collections", "show", "staff")
    assert "fixed threshold" in shown
    assert "of the model" in shown
    error = sima(tmp_path, "collections", "set", "staff", "--target-fpir", "2", status=2)
    assert "target_fpir 2 is not allowed" in error


def test_calibrate_show_and_clear(tmp_path: Path) -> None:
    sima(tmp_path, "collections", "create", "crowd")
    few = sima(tmp_path, "collections", "calibrate", "crowd", status=1)
    assert few.startswith("too_few_people: 0 people")
    database = open_database(make_settings(tmp_path / "data"))
    vectors = made_up_people(151, 2, read_manifest(SHIPPED).dimension)
    vectors[150] = vectors[3]
    person_ids = add_people(database, "crowd", vectors)
    database.close()
    measured = json.loads(sima(tmp_path, "collections", "calibrate", "crowd", "--json"))
    assert measured["table"]["people"] == 151
    closest = measured["closest"][0]
    assert {closest["person_a"], closest["person_b"]} == {person_ids[3], person_ids[150]}
    assert closest["suspected"] is True
    assert measured["collection"]["decisions"]["calibration"]["source"] == "collection"
    text = sima(tmp_path, "collections", "calibrate", "crowd")
    assert "may be one person" in text
    assert "of the collection" in sima(tmp_path, "collections", "show", "crowd")
    cleared = json.loads(sima(tmp_path, "collections", "calibrate", "crowd", "--clear", "--json"))
    assert cleared["decisions"]["calibration"]["source"] == "model"


def test_identify_and_verify_use_the_settings_unless_told(
    tmp_path: Path, photos: dict[str, bytes]
) -> None:
    files = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for file, name in zip(files, ("obama", "biden"), strict=True):
        file.write_bytes(photos[name])
    obama, biden = map(str, files)
    fixed = json.loads(sima(tmp_path, "verify", obama, biden, "--threshold", "-1", "--json"))
    assert (fixed["verified"], fixed["target_fmr"]) == (True, None)
    by_setting = sima(tmp_path, "verify", obama, biden, "--json", SIMA_THRESHOLD="-1")
    assert json.loads(by_setting)["verified"] is True
    rates = sima(tmp_path, "identify", obama, "--json", SIMA_TARGET_FPIR="0.2")
    assert json.loads(rates)["target_fpir"] == 0.2
