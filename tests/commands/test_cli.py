"""The command line, run as a subprocess."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.models import SHIPPED

pytestmark = pytest.mark.slow

LENIENT = "1e-9"  # a duplicate check that refuses hardly anybody


@pytest.fixture
def photo_files(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """A folder with the photos as JPEG files."""
    for name, content in photos.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    return tmp_path


def sima(folder: Path, *arguments: str, status: int = 0, **environment: str) -> str:
    """Runs `sima` on a data folder; returns standard output, or standard error if that is empty."""
    env = {
        **os.environ,
        "SIMA_DATA_DIR": str(folder / "data"),
        "SIMA_DEFAULT_VOCABULARY": "",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr


def test_enroll_and_import_name_a_person_who_may_be_the_same(photo_files: Path) -> None:
    first, again = str(photo_files / "obama.jpg"), photo_files / "obama2.jpg"
    enrolled = json.loads(sima(photo_files, "enroll", first, "--name", "Barack", "--json"))
    assert enrolled["possible_duplicate"] is None
    folder = photo_files / "people" / "President"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(again.read_bytes())
    report = photo_files / "report.jsonl"
    imported = sima(
        photo_files,
        "import",
        str(folder.parent),
        "--report",
        str(report),
        SIMA_DUPLICATE_FPIR=LENIENT,
    )
    assert "would also verify as another person: 1;" in imported
    line = json.loads(report.read_text(encoding="utf-8"))
    assert line["possible_duplicate"] == enrolled["person_id"]
    exported = sima(photo_files, "audit", "export", "--action", "enroll").splitlines()
    events = [json.loads(event) for event in exported]
    people = [enrolled["person_id"], line["person_id"]]
    assert [(e["key_id"], e["person_id"]) for e in events] == [("cli", one) for one in people]
    sima(photo_files, "persons", "delete", line["person_id"])
    shown = sima(photo_files, "enroll", str(again), "--name", "B", SIMA_DUPLICATE_FPIR=LENIENT)
    assert f"would also verify as Barack ({enrolled['person_id']})" in shown


def test_enroll_identify_list_delete(photo_files: Path) -> None:
    astronaut = str(photo_files / "astronaut.jpg")
    enrolled = json.loads(sima(photo_files, "enroll", astronaut, "--name", "Eileen", "--json"))
    found = json.loads(sima(photo_files, "identify", astronaut, "--json"))
    [face] = found["faces"]
    assert face["decision"] == "match"
    assert face["candidates"][0]["name"] == "Eileen"
    assert "Eileen" in sima(photo_files, "persons", "list")
    again = sima(photo_files, "enroll", astronaut, "--name", "X", status=1)
    assert again.startswith("already_enrolled:")
    check = json.loads(sima(photo_files, "index", "check", "--json"))
    [row] = check
    assert (row["stored"], row["indexed"], row["missing"], row["extra"]) == (1, 1, 0, 0)
    assert "1" in sima(photo_files, "index", "rebuild")
    sima(photo_files, "persons", "delete", enrolled["person_id"])
    listed = json.loads(sima(photo_files, "persons", "list", "--json"))
    assert listed == {"persons": [], "crops": {}, "next_cursor": None}
    events = [json.loads(line) for line in sima(photo_files, "audit", "export").splitlines()]
    person = enrolled["person_id"]
    assert [(e["key_id"], e["action"], e["decision"], e["person_id"]) for e in events] == [
        ("cli", "enroll", "enrolled", person),
        ("cli", "identify", "match", person),
        ("cli", "enroll", "already_enrolled", person),
        ("cli", "person.delete", "deleted", person),
        ("cli", "audit.export", "exported", None),
    ]


def test_verify_reports_the_result_as_exit_status(photo_files: Path) -> None:
    obama, biden = (str(photo_files / f"{name}.jpg") for name in ("obama", "biden"))
    same = json.loads(sima(photo_files, "verify", obama, obama, "--json"))
    assert same["verified"] is True
    other = json.loads(sima(photo_files, "verify", obama, biden, "--json", status=1))
    assert other["verified"] is False
    coffee = str(photo_files / "coffee.jpg")
    assert sima(photo_files, "verify", obama, coffee, status=2).startswith("no_face: image_b")


def test_a_photo_is_added_to_a_person_whom_it_matches(photo_files: Path) -> None:
    obama, obama2, biden = (str(photo_files / f"{n}.jpg") for n in ("obama", "obama2", "biden"))
    person = json.loads(sima(photo_files, "enroll", obama, "--name", "Barack", "--json"))
    known = ("--person-id", person["person_id"])
    added = json.loads(sima(photo_files, "enroll", obama2, *known, "--json"))
    assert added["person_id"] == person["person_id"]
    assert added["template_id"] != person["template_id"]
    refused = sima(photo_files, "enroll", biden, *known, status=1)
    assert refused.startswith("different_person:")
    sima(photo_files, "enroll", biden, *known, "--allow-mismatch")
    [listed] = json.loads(sima(photo_files, "persons", "list", "--json"))["persons"]
    assert listed["photos"] == 3


def test_a_photo_without_a_face_is_not_an_error(photo_files: Path) -> None:
    coffee = str(photo_files / "coffee.jpg")
    assert "no face" in sima(photo_files, "identify", coffee)
    found = json.loads(sima(photo_files, "identify", coffee, "--json"))
    assert found["faces"] == []


def test_a_photo_of_two_people_needs_a_choice(photo_files: Path) -> None:
    pair, obama = (str(photo_files / f"{name}.jpg") for name in ("pair", "obama"))
    error = sima(photo_files, "verify", pair, obama, "--face", "only", status=2)
    assert error.startswith("multiple_faces: image_a")
    found = json.loads(sima(photo_files, "identify", pair, "--faces", "largest", "--json"))
    assert len(found["faces"]) == 1


def test_schema_and_models(tmp_path: Path) -> None:
    assert json.loads(sima(tmp_path, "db", "upgrade", "--json")) == {"revision": "head"}
    models = json.loads(sima(tmp_path, "models", "list", "--json"))
    assert SHIPPED.name in [model["name"] for model in models]


def test_errors_are_one_line(tmp_path: Path) -> None:
    missing = sima(tmp_path, "enroll", str(tmp_path / "no.jpg"), "--name", "N", status=1)
    assert "No such file" in missing
    assert "Traceback" not in missing
    assert sima(tmp_path, "persons", "delete", "nobody", status=1).startswith("person_not_found:")


@pytest.mark.parametrize("command", ["serve", "persons list"])
def test_an_invalid_setting_is_one_line_without_secrets(tmp_path: Path, command: str) -> None:
    keys = '{"sk-secret": "admin"}'
    error = sima(tmp_path, *command.split(), status=1, SIMA_API_KEYS=keys)
    assert error == "not_ready: SIMA_API_KEYS: the string is not allowed; use 'read' or 'write'\n"


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("SIMA_PORT", "99999", "SIMA_PORT: "),
        ("SIMA_RATE_LIMIT", "often", "SIMA_RATE_LIMIT: the rate limit is invalid"),
        ("SIMA_INDEX_URL", "nonsense", "SIMA_INDEX_URL: the index URL is not supported"),
        ("SIMA_INDEX_URL", "pgvector:", "SIMA_INDEX_URL: pgvector needs the URL of a PostgreSQL"),
        ("SIMA_INDEX_URL", "milvus:http://u:sk-secret@h:port", "SIMA_INDEX_URL: the URL of Milvus"),
        ("SIMA_DATABASE_URL", "postgresql+psycopg://u:sk-secret@h:port/x", "SIMA_DATABASE_URL or"),
    ],
)
def test_serve_refuses_an_invalid_setting_in_one_line(
    tmp_path: Path, setting: str, value: str, text: str
) -> None:
    """Without the traceback that a worker would log."""
    error = sima(tmp_path, "serve", status=1, **{setting: value})
    lines = [line for line in error.splitlines() if '"level": "info"' not in line]
    assert len(lines) == 1, error
    assert lines[0].startswith(f"not_ready: {text}")
    assert "sk-secret" not in error


@pytest.mark.parametrize(
    "command",
    ["", "serve", "enroll", "identify", "verify", "words nearest", "persons list", "index check"],
)
def test_help_describes_the_command(tmp_path: Path, command: str) -> None:
    text = sima(tmp_path, *command.split(), "--help")
    assert "Usage:" in text
    assert len(text) > 200


def test_importing_the_service_loads_neither_torch_nor_training() -> None:
    code = (
        "import sys, app.main, app.cli; "
        "loaded = {name.split('.')[0] for name in sys.modules}; "
        "sys.exit(1 if loaded & {'torch', 'training', 'mtcnn', 'tensorflow'} else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
