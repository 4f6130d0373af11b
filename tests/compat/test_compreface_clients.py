"""Unmodified clients of CompreFace against a server process, with every call that they have."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.crypto.keyring import new_key
from harness.servers import Server
from tests.compat.client_process import Json, run
from tests.models import SHIPPED

KEY = "5f3b1c9a-6f0e-4a7d-9d53-0b6f1c2d3e4f"  # CompreFace's keys have this form
MATCH, NO_MATCH = 0.6, 0.4

PYTHON = ("compreface-sdk==0.6.0", "urllib3<2")  # its requests-toolbelt cannot use urllib3 2
PYTHON_CALLS = """
import json, sys
from pathlib import Path
from compreface import CompreFace

photo = lambda name: str(Path(sys.argv[1], name + ".jpg"))
client = CompreFace(domain="http://127.0.0.1", port=sys.argv[2], options={{"limit": 0}})
recognition = client.init_face_recognition("{key}")
verification = client.init_face_verification("{key}")
detection = client.init_face_detection("{key}")
faces, subjects = recognition.get_face_collection(), recognition.get_subjects()
every = {{"limit": 2, "det_prob_threshold": 0.5, "prediction_count": 2, "status": True,
         "face_plugins": "age,gender,landmarks,mask,calculator"}}
without_count = {{name: value for name, value in every.items() if name != "prediction_count"}}
answers = {{}}
answers["subject added"] = subjects.add("Ada")
answers["added"] = faces.add(photo("obama"), "Barack", {{"det_prob_threshold": 0.5}})
image_id = answers["added"]["image_id"]
answers["added bytes"] = faces.add(Path(photo("obama3")).read_bytes(), "Barack")
answers["listed"] = faces.list()
answers["subjects"] = subjects.list()
answers["known"] = recognition.recognize(photo("obama2"))
answers["every option"] = recognition.recognize(photo("obama2"), every)
answers["stranger"] = recognition.recognize(photo("biden"))
answers["verified"] = faces.verify(photo("obama2"), image_id, without_count)
answers["detected"] = detection.detect(photo("obama"), without_count)
answers["same"] = verification.verify(photo("obama"), photo("obama2"))
answers["different"] = verification.verify(photo("obama"), photo("biden"), without_count)
answers["renamed"] = subjects.update("Ada", "Countess")
answers["merged"] = subjects.update("Countess", "Barack")
answers["deleted"] = faces.delete(image_id)
answers["deleted by name"] = faces.delete_all("Barack")
answers["another"] = subjects.add("Grace")
answers["subject deleted"] = subjects.delete("Grace")
answers["all deleted"] = subjects.delete_all()
answers["no face"] = detection.detect(photo("nobody"))
print(json.dumps(answers))
"""

JAVASCRIPT = "@exadel/compreface-js-sdk@1.0.0"
JAVASCRIPT_CALLS = """
import {{ readFileSync }} from "node:fs";
import {{ CompreFace }} from "@exadel/compreface-js-sdk";

const client = new CompreFace("http://127.0.0.1", process.argv[2]);
const recognition = client.initFaceRecognitionService("{key}");
const verification = client.initFaceVerificationService("{key}");
const detection = client.initFaceDetectionService("{key}");
const faces = () => recognition.getFaceCollection();  // a call changes the address of the next one
const subjects = () => recognition.getSubjects();
const base64 = (name) => readFileSync(`./${{name}}.jpg`).toString("base64");
const every = {{limit: 2, det_prob_threshold: 0.5, prediction_count: 2, status: "true",
               face_plugins: "age,gender,landmarks,mask,calculator"}};
const answers = {{}};
answers["subject added"] = await subjects().add("Ada");
answers["added"] = await faces().add("./obama.jpg", "Barack", {{}});
const imageId = answers["added"].image_id;
answers["added bytes"] = await faces().add(base64("obama3"), "Barack", {{}});
answers["listed"] = await faces().list();
answers["subjects"] = await subjects().list();
answers["known"] = await recognition.recognize("./obama2.jpg", {{}});
answers["every option"] = await recognition.recognize("./obama2.jpg", every);
answers["stranger"] = await recognition.recognize(base64("biden"), {{}});
answers["verified"] = await faces().verify("./obama2.jpg", imageId, every);
answers["detected"] = await detection.detect("./obama.jpg", every);
answers["same"] = await verification.verify("./obama.jpg", "./obama2.jpg", {{}});
answers["different"] = await verification.verify(base64("obama"), base64("biden"), every);
answers["renamed"] = await subjects().rename("Ada", "Countess");
answers["merged"] = await subjects().rename("Countess", "Barack");
answers["deleted"] = await faces().delete(imageId);
const other = answers["added bytes"].image_id;
answers["several deleted"] = await faces().delete_multiple_images([other, imageId]);
await faces().add("./obama.jpg", "Barack", {{}});
answers["deleted by name"] = await faces().delete_all_subject("Barack");
answers["another"] = await subjects().add("Grace");
answers["subject deleted"] = await subjects().delete("Grace");
answers["all faces deleted"] = await faces().delete_all();
answers["all deleted"] = await subjects().deleteAll();
answers["no face"] = await detection.detect("./nobody.jpg", {{}}).catch((e) => e.response.data);
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with a key, which stores photos."""
    running = Server(
        tmp_path_factory.mktemp("data"),
        SIMA_COMPAT="compreface",
        SIMA_STORE_PHOTOS="true",
        SIMA_ENCRYPTION_KEYS=new_key(),
        SIMA_API_KEYS=json.dumps({KEY: "write"}),
    ).wait_until_ready()
    yield running
    running.stop()


def check(answers: Json) -> None:
    """Checks the answers that both clients have received."""
    assert answers["subject added"] == {"subject": "Ada"}
    ids = [answers["added"]["image_id"], answers["added bytes"]["image_id"]]
    assert [one["image_id"] for one in answers["listed"]["faces"]] == ids
    assert answers["subjects"] == {"subjects": ["Ada", "Barack"]}
    for name, most in (("known", 1), ("every option", 2)):
        [face] = answers[name]["result"]
        assert face["subjects"][0]["subject"] == "Barack"
        assert face["subjects"][0]["similarity"] >= MATCH
        assert len(face["subjects"]) <= most
    assert len(face["landmarks"]) == 5
    assert len(face["embedding"]) == 256
    assert answers["every option"]["plugins_versions"]["calculator"] == SHIPPED.name
    [stranger] = answers["stranger"]["result"]
    assert stranger["subjects"][0]["similarity"] < NO_MATCH
    assert answers["verified"]["result"][0]["similarity"] >= MATCH
    assert answers["detected"]["result"][0]["box"]["probability"] > 0.9
    [same], [different] = answers["same"]["result"], answers["different"]["result"]
    assert same["face_matches"][0]["similarity"] >= MATCH
    assert different["face_matches"][0]["similarity"] < NO_MATCH
    assert answers["renamed"] == answers["merged"] == {"updated": True}
    assert answers["deleted"] == {"image_id": ids[0], "subject": "Barack"}
    assert answers["deleted by name"] == {"deleted": 1}
    assert answers["subject deleted"] == {"subject": "Grace"}
    assert answers["all deleted"] == {"deleted": 0}
    assert answers["no face"]["code"] == 28
    failed = {name for name, answer in answers.items() if "message" in answer}
    assert failed == {"no face"}


@pytest.mark.slow
def test_the_python_client(server: Server, folder: Path) -> None:
    packages = folder / "packages"
    install = ("-m", "pip", "install", "--quiet", "--target", str(packages), *PYTHON)
    subprocess.run([sys.executable, *install], check=True, timeout=300)
    code = PYTHON_CALLS.format(key=KEY)
    command = (sys.executable, "-c", code, str(folder), str(server.port))
    check(run(*command, folder=folder, PYTHONPATH=str(packages)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm")
def test_the_javascript_client(server: Server, folder: Path) -> None:
    install = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", JAVASCRIPT)
    subprocess.run(install, cwd=folder, check=True, timeout=300, capture_output=True)
    (folder / "calls.mjs").write_text(JAVASCRIPT_CALLS.format(key=KEY))
    answers = run("node", "calls.mjs", str(server.port), folder=folder)
    check(answers)
    other = answers["added bytes"]
    assert answers["several deleted"] == [other]
    assert answers["all faces deleted"] == {"deleted": 0}
