"""DeepStack's face API: unmodified clients against a server, and its answers over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.compat.deepstack.scores import MATCH, client_score
from app.faces.decisions.policy import Judgement
from harness.servers import Server
from tests.conftest import MakeClient

Photos = dict[str, bytes]
Json = dict[str, Any]

FACE = "/v1/vision/face"
CLIENTS = {
    "deepstack-python==0.9": "from deepstack.core import DeepstackFace as Face",
    "codeproject-ai-api==0.1": "from codeprojectai.core import CodeProjectAIFace as Face",
}
WALK_THROUGH = """
import json, sys
from pathlib import Path
{imported}
face = Face(ip="127.0.0.1", port={port}, timeout=60, **{options})
photo = lambda name: Path(sys.argv[1], name + ".jpg").read_bytes()
answers = {{
    "registered": face.register("Barack", photo("obama")),
    "known": face.recognize(photo("obama2")),
    "unknown": face.recognize(photo("biden")),
    "detected": face.detect(photo("obama")),
    "listed": face.get_registered_faces(),
}}
print(json.dumps(answers))
"""


def post(client: TestClient, path: str, fields: Json | None = None, **photos: bytes) -> Json:
    """The answer to a form; its HTTP status is always 200."""
    files = {name: (name, photo) for name, photo in photos.items()}
    answer = client.post(path, data=fields or {}, files=files)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


@pytest.fixture(scope="module")
def deepstack(make_client: MakeClient) -> TestClient:
    """A service that offers DeepStack's API."""
    return make_client(compat="deepstack")


@pytest.fixture
def service(deepstack: TestClient) -> TestClient:
    """The service with an empty gallery."""
    deepstack.delete("/collections/default")
    return deepstack


def test_it_is_off_unless_the_setting_names_it(make_client: MakeClient) -> None:
    assert make_client().post(f"{FACE}/list").status_code == 404


def test_register_recognize_match_and_delete(service: TestClient, photos: Photos) -> None:
    user = {"userid": "Barack"}
    first = {"one": photos["obama"], "two": photos["obama3"]}
    assert post(service, f"{FACE}/register", user, **first)["success"] is True
    [person] = service.get("/persons").json()["persons"]
    assert (person["name"], person["photos"]) == ("Barack", 2)
    assert post(service, f"{FACE}/list")["faces"] == ["Barack"]

    found = post(service, f"{FACE}/recognize", image=photos["pair"])
    assert found["success"] is True
    assert {one["userid"] for one in found["predictions"]} == {"Barack", "unknown"}
    for one in found["predictions"]:
        assert (one["confidence"] >= MATCH) == (one["userid"] == "Barack")
        assert one["x_min"] < one["x_max"]
    strict = post(service, f"{FACE}/recognize", {"min_confidence": "1"}, image=photos["obama2"])
    assert [one["userid"] for one in strict["predictions"]] == ["unknown"]
    same = post(service, f"{FACE}/match", image1=photos["obama"], image2=photos["obama"])
    other = post(service, f"{FACE}/match", image1=photos["obama"], image2=photos["biden"])
    assert same["similarity"] >= MATCH > other["similarity"]

    assert post(service, f"{FACE}/delete", user)["success"] is True
    assert post(service, f"{FACE}/list")["faces"] == []
    gone = post(service, f"{FACE}/delete", user)
    assert (gone["success"], gone["code"]) == (False, 404)


def test_errors_have_the_shape_of_deepstack(service: TestClient, photos: Photos) -> None:
    none = post(service, f"{FACE}/recognize", image=photos["coffee"])
    assert (none["success"], none["code"], none["predictions"]) == (False, 500, [])
    assert post(service, FACE, image=photos["coffee"])["predictions"] == []
    for path, fields, files, code in (
        (FACE, {}, {}, 422),
        (FACE, {}, {"image": b"no image"}, 415),
        (FACE, {"min_confidence": "high"}, {"image": photos["obama"]}, 422),
        (f"{FACE}/register", {}, {"image": photos["obama"]}, 422),
        (f"{FACE}/register", {"userid": "B"}, {}, 422),
        (f"{FACE}/match", {}, {"image1": photos["obama"], "other": photos["obama"]}, 422),
    ):
        body = post(service, path, fields, **files)
        assert (body["success"], body["code"]) == (False, code), path
        assert body["error"]
    malformed = {"Content-Type": "multipart/form-data; boundary=x"}
    assert service.post(FACE, content=b"--y", headers=malformed).json()["success"] is False


def test_keys_in_the_form_and_in_the_path_have_their_roles(make_client: MakeClient) -> None:
    client = make_client(compat="deepstack", api_keys={"reader": "read", "writer": "write"})
    assert post(client, f"{FACE}/list")["code"] == 401
    for unknown in ("wrong", "سیما", "\uffff"):
        assert post(client, f"{FACE}/list", {"api_key": unknown})["code"] == 401
    assert post(client, f"{FACE}/list", {"api_key": "reader"})["success"] is True
    assert post(client, f"/reader{FACE}/list")["success"] is True
    assert post(client, f"/wrong{FACE}/list", {"api_key": "reader"})["code"] == 401
    user = {"userid": "B"}
    assert post(client, f"/reader{FACE}/delete", user)["code"] == 403
    assert post(client, f"/writer{FACE}/delete", user)["code"] == 404


@pytest.mark.parametrize("threshold", [-0.5, 0.1, 0.45, 0.9])
def test_the_decision_is_at_the_threshold_of_the_clients(threshold: float) -> None:
    values = [
        client_score(Judgement(similarity, threshold, 0.001))
        for similarity in (-1.0, threshold - 1e-9, threshold, (threshold + 1) / 2, 1.0)
    ]
    assert values == sorted(values)
    assert values[1] < MATCH == values[2]
    assert (values[0], values[-1]) == (0.0, 1.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with keys."""
    running = Server(
        tmp_path_factory.mktemp("data"),
        SIMA_COMPAT="deepstack",
        SIMA_API_KEYS=json.dumps({"sk-write": "write"}),
    ).wait_until_ready()
    yield running
    running.stop()


@pytest.mark.slow
def test_an_unmodified_client_of_deepstack(
    server: Server, tmp_path: Path, portrait_files: Photos
) -> None:
    walk_through(server, tmp_path, portrait_files, "deepstack-python==0.9", {"api_key": "sk-write"})


def walk_through(
    server: Server, folder: Path, photos: Photos, client: str, options: dict[str, str]
) -> None:
    """Installs a client into a folder of its own and runs its calls in a process of its own."""
    packages = folder / "packages"
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), client)
    subprocess.run([sys.executable, *install], check=True, timeout=300)
    for name, photo in photos.items():
        (folder / f"{name}.jpg").write_bytes(photo)
    code = WALK_THROUGH.format(imported=CLIENTS[client], port=server.port, options=options)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["registered"] == "face added"
    assert [one["userid"] for one in answers["known"]] == ["Barack"]
    assert [one["userid"] for one in answers["unknown"]] == ["unknown"]
    assert len(answers["detected"]) == 1
    assert answers["listed"] == ["Barack"]


@pytest.mark.slow
def test_an_unmodified_client_of_codeproject_ai(
    tmp_path: Path, portrait_files: Photos, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It sends no key."""
    data = tmp_path_factory.mktemp("data")
    running = Server(data, SIMA_COMPAT="deepstack").wait_until_ready()
    try:
        walk_through(running, tmp_path, portrait_files, "codeproject-ai-api==0.1", {})
    finally:
        running.stop()
