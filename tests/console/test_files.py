"""The files of the console and of the API reference, as HTTP serves them."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.settings import PROJECT
from tests.conftest import MakeClient

STATIC = PROJECT / "app" / "console" / "static"
FILES = sorted(file.relative_to(STATIC).as_posix() for file in STATIC.rglob("*") if file.is_file())
SCRIPTS = sorted(STATIC.rglob("*.js"))

KEY = re.compile(r"\bt\(\s*\"([\w.-]+)\"")
"""A key in a call of t(); computed keys are not checked."""


@pytest.mark.parametrize("path", ["/console/", "/docs", "/docs/start.js", "/console/js/main.js"])
def test_a_strict_policy_is_sent(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    directives = dict(one.split(" ", 1) for one in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_served_and_revalidated_by_its_etag(client: TestClient, path: str) -> None:
    response = client.get(f"/console/{path}")
    assert response.status_code == 200
    assert response.content == (STATIC / path).read_bytes()
    assert response.headers["Cache-Control"] == "no-cache"
    again = client.get(f"/console/{path}", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("requested", ["bytes=5-1", "bytes=0-9", "bytes=999999999-", "lines=1"])
def test_a_range_is_ignored(client: TestClient, requested: str) -> None:
    for path in ("/console/", "/docs"):
        whole = client.get(path)
        part = client.get(path, headers={"Range": requested})
        assert (part.status_code, part.content) == (200, whole.content)
        assert "Accept-Ranges" not in part.headers


@pytest.mark.parametrize(
    "path", ["../routes.py", "%2e%2e/routes.py", "js", "nothing.js", "//etc/passwd"]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(f"/console/{path}").status_code == 404


def test_the_root_leads_to_the_console(client: TestClient) -> None:
    for path in ("/", "/console"):
        response = client.get(path, follow_redirects=False)
        assert (response.status_code, response.headers["Location"]) == (307, "console/")
    assert client.get("/").text == (STATIC / "index.html").read_text()
    assert "docs/swagger-ui-bundle.js" in client.get("/redoc").text


def test_switched_off_nothing_of_it_is_served(make_client: MakeClient) -> None:
    client = make_client(console=False)
    assert client.get("/", follow_redirects=False).headers["Location"] == "docs"
    for path in ("/console", "/console/", *(f"/console/{file}" for file in FILES)):
        assert client.get(path).status_code == 404


def test_the_console_needs_no_key_and_its_data_does(make_client: MakeClient) -> None:
    client = make_client(api_keys={"reader-key-12345": "read"})
    assert client.get("/console/").status_code == 200
    assert client.get("/persons").status_code == 401


def test_the_reference_is_hidden_with_the_document(make_client: MakeClient) -> None:
    client = make_client(api_keys={"reader-key-12345": "read"}, public=())
    for path in ("/docs", "/docs/swagger-ui.css", "/openapi.json"):
        assert client.get(path).status_code == 401


def test_the_console_is_small() -> None:
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) < 300_000


def _keys(catalogue: object, prefix: str = "") -> set[str]:
    if not isinstance(catalogue, dict):
        return {prefix}
    return {key for name, part in catalogue.items() for key in _keys(part, f"{prefix}.{name}")}


def _catalogue(language: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((STATIC / "i18n" / f"{language}.json").read_text())
    return found


def test_both_languages_have_the_same_texts() -> None:
    english, persian = _keys(_catalogue("en")), _keys(_catalogue("fa"))
    forms = re.compile(r"\.(one|other)$")  # Persian uses both plural forms, too
    assert english == persian
    assert {forms.sub("", key) for key in english} == {forms.sub("", key) for key in persian}


def test_both_languages_have_the_same_placeholders() -> None:
    def placeholders(catalogue: object) -> list[set[str]]:
        if isinstance(catalogue, str):
            return [set(re.findall(r"\{(\w+)\}", catalogue))]
        assert isinstance(catalogue, dict)
        return [found for name in sorted(catalogue) for found in placeholders(catalogue[name])]

    assert placeholders(_catalogue("en")) == placeholders(_catalogue("fa"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_text_that_a_script_names_is_in_the_catalogue(script: Path) -> None:
    keys = _keys(_catalogue("en"))
    for key in KEY.findall(script.read_text()):
        assert any(known in (f".{key}", f".{key}.other") for known in keys), key


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_build_no_markup_from_text(script: Path) -> None:
    text = script.read_text()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:"):
        assert way not in text.replace("http://www.w3.org/2000/svg", "")
    assert len(text.splitlines()) <= 300
