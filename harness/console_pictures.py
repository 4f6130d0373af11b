"""Takes the pictures of the console in docs/img: `python -m harness.console_pictures docs/img`.

The faces are generated (`training.faces.synthetic`) or the public-domain portrait of scikit-image.
Needs Chromium and the development dependencies.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import httpx2
import skimage.data
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from app.crypto.keyring import new_key
from harness.servers import Server, running
from training.faces.synthetic import write_people

_NAMES = (
    *("Ada", "Omar", "Grace", "Maryam", "Alan", "Emmy", "Donald", "Hedy", "Claude", "Sara"),
    *("Katherine", "Leonhard", "Nasrin", "Barbara", "Edsger", "Rosalind", "Reza", "Sofia"),
)
_COLOURS = 160  # of the palette, so that a picture is below 150 kB


def main(folder: Path) -> None:
    """Starts a service, enrolls generated people and writes the pictures."""
    with tempfile.TemporaryDirectory() as work, _service(Path(work) / "data") as server:
        photos = Path(work) / "people"
        write_people(photos, len(_NAMES), 2, seed=7)
        portrait = Path(work) / "portrait.jpg"
        Image.fromarray(skimage.data.astronaut()).save(portrait, quality=92)
        _enroll(server.url, {"Eileen Collins": portrait})
        others = {name: photos / f"person-{row:03}" / "0.jpg" for row, name in enumerate(_NAMES)}
        pair = [portrait, photos / "person-003" / "1.jpg"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            view = _View(browser, f"{server.url}/console/", folder)
            view.take("console-try", lambda page: _identify(page, portrait))
            view.take("console-compare-dark", lambda page: _compare(page, pair), scheme="dark")
            view.take(
                "console-phone-persian",
                lambda page: _identify(page, portrait, scroll=520),
                language="fa",
                width=400,
            )
            _enroll(server.url, others)  # last: they are made from the portrait and resemble it
            view.take("console-people", _people)
            browser.close()


def _service(data: Path) -> AbstractContextManager[Server]:
    """A service that stores crops, which the page People shows."""
    return running(data, SIMA_STORE_CROPS="true", SIMA_ENCRYPTION_KEYS=new_key())


class _View:
    """Opens pages and saves pictures of them."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self._browser, self._url, self._folder = browser, url, folder

    def take(
        self,
        name: str,
        show: Callable[[Page], None],
        scheme: Literal["light", "dark"] = "light",
        language: str = "en",
        width: int = 1120,
    ) -> None:
        """Saves what `show` does with a new page."""
        context = self._browser.new_context(
            base_url=self._url,
            color_scheme=scheme,
            locale=language,
            viewport={"width": width, "height": 760},
        )
        page = context.new_page()
        show(page)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        palette = picture.quantize(_COLOURS, dither=Image.Dither.NONE)
        palette.save(self._folder / f"{name}.png", optimize=True)
        context.close()


def _enroll(url: str, photos: dict[str, Path]) -> None:
    for name, file in photos.items():
        data = {"name": name, "on_duplicate": "allow"}
        answer = httpx2.post(f"{url}/enroll", files={"image": file.read_bytes()}, data=data)
        answer.raise_for_status()


def _identify(page: Page, photo: Path, scroll: int = 0) -> None:
    page.goto("#/try")
    page.locator("main input[type=file]").first.set_input_files(photo)
    page.wait_for_selector(".face-card")
    page.evaluate("distance => window.scrollTo(0, distance)", scroll)


def _compare(page: Page, pair: list[Path]) -> None:
    page.goto("#/try/verify")
    for photo in pair:
        page.locator("main input[type=file]").first.set_input_files(photo)
    page.wait_for_selector(".verdict .gauge")


def _people(page: Page) -> None:
    page.goto("#/people")
    page.wait_for_selector(".people-grid img")
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
