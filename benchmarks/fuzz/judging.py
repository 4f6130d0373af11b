"""Tells which responses must not happen."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.requests import REQUEST_ID, FuzzRequest
from benchmarks.fuzz.sending import Answer

_TRACES = (b"Traceback (most recent call last)", b'.py", line ', b"site-packages")
_SEVERE = ("error", "critical")
_SHOWN = 300
_EXPORT = "/vocabularies/{name}/export"
_BROKEN_OFF = "ASGI callable returned without completing response."
_PROTOCOL_ERROR = b"Invalid HTTP request received."


@dataclass(frozen=True, slots=True)
class Finding:
    """What must not happen; `request` is the number of the request, None if it is unknown."""

    request: int | None
    what: str
    details: str


def judge(request: FuzzRequest, answer: Answer) -> Finding | None:
    """What is wrong with the response, or None."""
    what = _fault(request, answer)
    if what is None:
        return None
    details = f"{answer.status} {answer.body[:_SHOWN].decode(errors='replace')}"
    return Finding(request.number, what, details)


def _fault(request: FuzzRequest, answer: Answer) -> str | None:
    if answer.failure is not None:
        return None if answer.is_closed and _may_be_closed(request) else answer.failure
    return _severe_fault(answer) or _format_fault(request, answer)


def _may_be_closed(request: FuzzRequest) -> bool:
    """An export breaks off if another request deletes words meanwhile."""
    return not request.is_complete or request.operation.path == _EXPORT


def _severe_fault(answer: Answer) -> str | None:
    if any(trace in answer.body for trace in _TRACES):
        return "a traceback in the response"
    if answer.status >= 500 and not (answer.status == 503 and answer.retry_after):
        return f"status {answer.status}"
    if b'"success":false,' in answer.body and b'"error":"internal error"' in answer.body:
        # All of them have the status 200, and an image without a face has the code 500, too.
        return "an internal error in an answer of DeepStack"
    return None


def _format_fault(request: FuzzRequest, answer: Answer) -> str | None:
    if request.method == "HEAD" or answer.body == _PROTOCOL_ERROR:
        return None
    if answer.status >= 400 and not _is_json_object(answer.body):
        return "an error that is not a JSON object"
    if answer.content_type.endswith("json") and not _is_json(answer.body):
        return "a body that is not valid JSON"
    return None


def read_log(path: Path) -> Iterator[Finding]:
    """Errors and tracebacks in the log of the service, one per request.

    Responses that are broken off are not among them: `judge` finds them.
    """
    seen: set[int | None] = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        record = _record(line)
        if record is not None and record.get("event") == _BROKEN_OFF:
            continue
        is_severe = record is not None and record.get("level") in _SEVERE
        if not is_severe and "Traceback" not in line and "exception" not in (record or {}):
            continue
        number = _number(record.get("request_id") if record else None)
        if number is None or number not in seen:
            seen.add(number)
            yield Finding(number, "an error in the log", line[:2_000])


def _record(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _number(request_id: object) -> int | None:
    start = REQUEST_ID.format("")
    text = str(request_id)
    return int(text.removeprefix(start)) if text.startswith(start) else None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _is_json_object(body: bytes) -> bool:
    return body.startswith(b"{") and _is_json(body)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
