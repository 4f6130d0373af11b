"""The background task of the application."""

import logging
import time

import pytest

from tests.conftest import MakeClient, services_of


def test_failed_housekeeping_is_logged_and_repeated(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(housekeeping_seconds=0.05)
    database = services_of(client).database
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE collections RENAME TO lost")
    deadline = time.monotonic() + 10.0
    with caplog.at_level(logging.WARNING, "sima"):
        while caplog.text.count("housekeeping_failed") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE lost RENAME TO collections")
    assert caplog.text.count("housekeeping_failed") >= 2
