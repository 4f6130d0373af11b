"""The console with API keys, and behind a reverse proxy that serves it under a path."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from harness.servers import Server, running
from tests.console.conftest import Observer

KEY = "reader-key-12345"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a key, at the path /faces of a proxy."""
    keys = json.dumps({KEY: "write"})
    data = tmp_path_factory.mktemp("data")
    with running(data, SIMA_API_KEYS=keys, SIMA_ROOT_PATH="/faces") as started:
        yield started


def enter_key(page: Page, key: str, remember: bool = False) -> None:
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("API key", exact=True).fill(key)
    dialog.get_by_label("Keep it in this tab").set_checked(remember)
    dialog.get_by_role("button", name="Save").click()


def test_the_key_is_asked_for_and_held_in_memory(page: Page) -> None:
    keys: set[str | None] = set()
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("request", lambda request: keys.add(request.headers.get("x-api-key")))
    page.goto("#/people")
    enter_key(page, KEY)
    expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
    assert keys == {None, KEY}
    assert not [url for url in urls if KEY in url]
    assert KEY not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert page.context.cookies() == []
    page.reload()
    expect(page.get_by_role("dialog", name="API key")).to_be_visible()


def test_the_key_is_kept_in_the_tab_when_asked(page: Page) -> None:
    page.goto("#/people")
    enter_key(page, KEY, remember=True)
    expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
    page.get_by_role("button", name="API key").click()
    enter_key(page, "")
    assert page.evaluate("sessionStorage.length") == 0


def test_an_unknown_key_is_refused_in_words(page: Page) -> None:
    page.goto("#/people")
    enter_key(page, "invented")
    expect(page.get_by_role("alert")).to_have_text("The API key is missing or unknown.")


@pytest.fixture
def proxy(server: Server) -> Iterator[str]:
    """The address of a proxy that removes the path /faces, like docs/proxy/nginx-prefix.conf."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/faces/"):
                self.send_error(404)
                return
            key = {name: self.headers[name] for name in ("X-API-Key",) if name in self.headers}
            answer = httpx2.get(server.url + self.path.removeprefix("/faces"), headers=key)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Content-Security-Policy", "Location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Write nothing to standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as started:
        Thread(target=started.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{started.server_port}"
        started.shutdown()


def test_it_works_behind_a_path_prefix(chromium: Browser, proxy: str) -> None:
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    observer = Observer(proxy)
    observer.watch(page)
    page.goto(f"http://{proxy}/faces/")
    assert page.url.startswith(f"http://{proxy}/faces/console/")
    enter_key(page, KEY)
    expect(page.get_by_role("heading", level=1)).to_have_text("Try it")
    page.goto(f"http://{proxy}/faces/docs")
    expect(page.locator(".info .title")).to_contain_text("Sima")
    context.close()
    assert (observer.foreign, observer.errors) == ([], [])
