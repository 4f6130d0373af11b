"""Events: what a receiver gets, signed, at least once, whatever happens to it meanwhile."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import InvalidSetting
from app.main import create_app
from tests.api.event_receiver import EventReceiver, receiving, wait_until
from tests.conftest import MakeClient, enroll, make_settings, services_of, upload

KEY = b"0123456789abcdefghijklmnopqrstuv"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
Photos = dict[str, bytes]


@pytest.fixture
def receiver() -> Iterator[EventReceiver]:
    """A receiver that works."""
    with receiving() as running:
        yield running


def sending(make_client: MakeClient, receiver: EventReceiver, **changes: object) -> TestClient:
    """A service that sends events to the receiver, and waits for it for half a second."""
    settings = {"events_url": receiver.url, "events_secret": SECRET, "events_seconds": 0.5}
    return make_client(**{"default_vocabulary": "", **settings, **changes})


def identify(client: TestClient, photo: bytes) -> None:
    assert client.post("/identify", files=upload(photo)).status_code == 200


def test_events_survive_a_receiver_that_fails_and_hangs(
    make_client: MakeClient, receiver: EventReceiver, photos: Photos
) -> None:
    client = sending(make_client, receiver)
    receiver.mode = "fail"
    person = enroll(client, photos["astronaut"], "Eileen", metadata='{"a": "secret"}')
    receiver.wait_for_requests(2)
    receiver.mode = "hang"
    receiver.wait_for_requests(1)
    identify(client, photos["astronaut"])
    identify(client, photos["obama"])
    identify(client, photos["coffee"])
    client.post("/enroll", files=upload(photos["astronaut"]), data={"name": "Refused"})
    client.delete(f"/persons/{person['person_id']}")
    assert receiver.accepted == []
    receiver.mode = "ok"

    events = receiver.wait(4)
    assert [event["type"] for event in events] == [
        "sima.enrolled",
        "sima.match",
        "sima.unknown",
        "sima.deleted",
    ]
    enrolled, match, unknown, deleted = events
    assert enrolled["specversion"] == "1.0"
    assert enrolled["source"] == "/collections/default"
    assert enrolled["subject"] == person["person_id"]
    assert match["data"]["person_id"] == person["person_id"]
    assert unknown["data"]["visitor_id"] is None
    assert deleted["data"]["what"] == "person"
    assert len({event["id"] for event in events}) == 4
    for headers, body in receiver.accepted:
        assert headers["content-type"] == "application/cloudevents+json"
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(KEY, signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert not re.search(rb"Eileen|secret|embedding|image", body)
    sender = services_of(client).event_sender
    assert sender is not None
    wait_until(lambda: sender.waiting() == 0)


def test_workers_send_each_event_once_and_in_order(
    make_client: MakeClient, receiver: EventReceiver, tmp_path: Path
) -> None:
    workers = [sending(make_client, receiver, folder=tmp_path) for _ in range(3)]
    for number in range(12):
        name = f"c{number}"
        assert workers[0].post("/collections", json={"name": name}).status_code == 201
        assert workers[number % 3].delete(f"/collections/{name}").status_code == 204
    events = receiver.wait(12)
    assert [one["data"]["collection"] for one in events] == [f"c{n}" for n in range(12)]
    for worker in workers[:2]:  # the third one takes over
        sender = services_of(worker).event_sender
        assert sender is not None
        sender.close()
    workers[0].delete("/collections/default")
    assert receiver.wait(13)[-1]["source"] == "/collections/default"
    assert receiver.requests == 13


def test_events_are_chosen_by_type_and_collection(
    make_client: MakeClient, receiver: EventReceiver, photos: Photos
) -> None:
    client = sending(
        make_client,
        receiver,
        events_types=("deleted", "unknown"),
        events_collections=("default",),
        audit=False,
    )
    client.post("/collections", json={"name": "other"})
    client.delete("/collections/other")
    person = enroll(client, photos["astronaut"], "Eileen")
    identify(client, photos["astronaut"])
    client.delete(f"/persons/{person['person_id']}/photos/{person['template_id']}")
    [deleted] = receiver.wait(1)
    assert (deleted["type"], deleted["data"]["what"]) == ("sima.deleted", "photo")


def test_the_outbox_is_bounded_and_counted(
    make_client: MakeClient, receiver: EventReceiver
) -> None:
    client = sending(make_client, receiver, events_waiting=2)
    sender = services_of(client).event_sender
    assert sender is not None
    receiver.mode = "fail"
    for _ in range(5):
        assert client.delete("/collections/default").status_code == 204
    assert sender.waiting() == 2
    receiver.mode = "refuse"
    wait_until(lambda: sender.waiting() == 0)
    assert receiver.accepted == []

    def counted(outcome: str, number: int) -> bool:
        return f'sima_events_total{{outcome="{outcome}"}} {number}.0' in client.get("/metrics").text

    wait_until(lambda: counted("dropped", 3) and counted("refused", 2))


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("ftp://host/", SECRET, "SIMA_EVENTS_URL"),
        ("http://user:password@host/", SECRET, "SIMA_EVENTS_URL"),
        ("http:///path", SECRET, "SIMA_EVENTS_URL"),
        ("https://host/", None, "SIMA_EVENTS_SECRET"),
        ("https://host/", "c2hvcnQ=", "SIMA_EVENTS_SECRET"),
    ],
)
def test_invalid_settings_end_the_start(
    tmp_path: Path, url: str, secret: str | None, named: str
) -> None:
    settings = make_settings(tmp_path, events_url=url, events_secret=secret)
    with pytest.raises(InvalidSetting, match=named) as refused, TestClient(create_app(settings)):
        pass
    assert "password" not in str(refused.value)
