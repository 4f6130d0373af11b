"""Chromium, driven by Playwright, and a real server for the tests of the console.

Without Chromium these tests are skipped: Debian's package `chromium` has it, `.ci/run` installs it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import skimage.data
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from harness.servers import Server, running
from tests.conftest import encode

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
"""The last two replace the camera by a video, without a question to the user."""


_TESTED = (
    "the server responded with a status of",
    "net::ERR_INTERNET_DISCONNECTED",
    "net::ERR_CONNECTION_RESET",
)
"""Chromium reports refusals and lost connections as errors; tests look at what the page shows."""


@dataclass
class Observer:
    """What a page did that it must not do."""

    host: str
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Records requests to other hosts, messages of errors and uncaught exceptions."""
        page.on("request", self._note_request)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and parts.netloc != self.host:
            self.foreign.append(request.url)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(known in message.text for known in _TESTED):
            self.errors.append(message.text)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser, whose camera shows the portrait of an astronaut.

    It ends with the module: while it runs, Playwright occupies the event loop of the main thread,
    so that tests of other modules could not run one.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is missing; install the Debian package chromium")
    video = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    video.write_bytes(10 * encode(skimage.data.astronaut(), quality=92))
    options = [*OPTIONS, f"--use-file-for-fake-video-capture={video}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service without keys, with an empty store."""
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A page in English, which must send no request to another host and report no error."""
    context = chromium.new_context(
        base_url=f"{server.url}/console/",
        locale="en-GB",
        viewport={"width": 1280, "height": 900},
        permissions=["camera"],
    )
    context.set_default_timeout(20_000)
    opened = context.new_page()
    observer = Observer(urlsplit(server.url).netloc)
    observer.watch(opened)
    yield opened
    context.close()
    assert observer.foreign == []
    assert observer.errors == []
