"""Gives photos to a page as a user does: by the file picker, by dropping and by pasting them."""

import base64

from playwright.sync_api import FilePayload, JSHandle, Locator, Page

_TRANSFER = """photos => {
    const transfer = new DataTransfer();
    for (const [name, content] of photos) {
        const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
        transfer.items.add(new File([bytes], name, {type: "image/jpeg"}));
    }
    return transfer;
}"""


def payload(photo: bytes, name: str = "photo.jpg") -> FilePayload:
    """A file for `set_input_files`."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": photo}


def pick(page: Page, photo: bytes) -> None:
    """Choose a photo with the first file picker of the page."""
    page.locator("main input[type=file]").first.set_input_files(payload(photo))


def drop(target: Locator, *photos: bytes) -> None:
    """Drop photos on an element."""
    target.dispatch_event("drop", {"dataTransfer": _transfer(target.page, photos)})


def paste(page: Page, photo: bytes) -> None:
    """Paste a photo into the page, once it is open."""
    page.locator(".drop").first.wait_for()
    transfer = _transfer(page, (photo,))
    page.evaluate(
        """transfer => document.dispatchEvent(
            new ClipboardEvent("paste", {clipboardData: transfer, cancelable: true}))""",
        transfer,
    )


def _transfer(page: Page, photos: tuple[bytes, ...]) -> JSHandle:
    files = [
        [f"{number}.jpg", base64.b64encode(photo).decode()]
        for number, photo in enumerate(photos, 1)
    ]
    return page.evaluate_handle(_TRANSFER, files)
