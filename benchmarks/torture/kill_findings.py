"""Compares what a service contains after the kills with what it had acknowledged."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from app.settings import PROJECT
from benchmarks.torture.acknowledged import Acknowledged
from benchmarks.torture.archive_importer import PEOPLE
from benchmarks.torture.kill_clients import WORDS

_PAGE = 500


def compare(url: str, acknowledged: Acknowledged, photo: bytes) -> Counter[str]:
    """Reads everything over HTTP; returns the numbers of differences, by kind.

    `found` and `imports found` count what must be there and is. `lost`: acknowledged and missing.
    `doubled`: one enrollment that made two people. `ghosts`: deleted and still there. `half done`:
    people without a template, vocabularies or galleries that are not complete, unknown names.
    """
    with httpx2.Client(base_url=url, timeout=120.0) as http:
        people = list(_people(http))
        by_id = {one["person_id"]: one["name"] for one in people}
        found = Counter[str]()
        for person_id, name in acknowledged.people.items():
            found["found" if by_id.get(person_id) == name else "lost"] += 1
        names = Counter(by_id.values())
        found["doubled"] = sum(number - 1 for number in names.values())
        found["ghosts"] = len(acknowledged.deleted & set(by_id))
        found["half done"] = sum(one["photos"] != 1 for one in people)
        found["half done"] += len(set(names) - acknowledged.names)
        found["half done"] += _gallery_size(http, photo) != len(people)
        _compare_collections(http, acknowledged, found)
    return found


def index_differs(folder: Path, environment: dict[str, str]) -> bool:
    """Whether an index differs from the database, by `sima index check`."""
    env = {**os.environ, "SIMA_DATA_DIR": str(folder), **environment}
    command = [sys.executable, "-m", "app.cli", "index", "check", "--json"]
    done = subprocess.run(
        command, cwd=PROJECT, env=env, check=False, stdout=subprocess.DEVNULL, timeout=300
    )
    return done.returncode != 0


def _people(http: httpx2.Client) -> Iterator[dict[str, Any]]:
    query: dict[str, str] = {"limit": str(_PAGE)}
    while True:
        page = http.get("/persons", params=query).raise_for_status().json()
        yield from page["persons"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def _gallery_size(http: httpx2.Client, photo: bytes) -> int:
    files = {"image": ("photo", photo, "image/jpeg")}
    answer = http.post("/identify", files=files).raise_for_status()
    return int(answer.json()["gallery_size"])


def _compare_collections(
    http: httpx2.Client, acknowledged: Acknowledged, found: Counter[str]
) -> None:
    """Vocabularies and imported galleries: complete or not there at all."""
    listed = http.get("/collections").raise_for_status().json()["collections"]
    sizes = {one["name"]: one["size"] for one in listed if one["name"] != "default"}
    complete = {"a": PEOPLE, "v": WORDS}  # by the first letter of the name
    found["half done"] += sum(size != complete[name[0]] for name, size in sizes.items())
    imported = acknowledged.uploads | acknowledged.imports
    found["imports found"] = len(imported & set(sizes))
    found["lost"] += len(imported - set(sizes))
    found["ghosts"] += len(acknowledged.deleted_uploads & set(sizes))
