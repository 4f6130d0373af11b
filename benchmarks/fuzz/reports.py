"""Writes the requests with findings to files, with a curl command for each."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from benchmarks.fuzz.judging import Finding
from benchmarks.fuzz.requests import FuzzRequest
from benchmarks.fuzz.runner import Results

_SHOWN = 3  # requests of each kind of finding


def write_findings(results: Results, folder: Path, url: str) -> None:
    """Prints the findings by kind and route; writes the requests to the folder."""
    for name, findings in _grouped(results).items():
        print(f"\n{len(findings)} x {name}")
        for finding in findings[:_SHOWN]:
            print(f"  {finding.details}")
            request = results.sent.get(finding.request) if finding.request is not None else None
            if request is not None:
                print(f"  {_write(request, folder, url)}")


def _grouped(results: Results) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in results.findings:
        request = results.sent.get(finding.request) if finding.request is not None else None
        route = f": {request.operation.name}" if request else ""
        groups.setdefault(f"{finding.what}{route}", []).append(finding)
    return groups


def _write(request: FuzzRequest, folder: Path, url: str) -> str:
    """Writes the bytes of the request and of its body; returns the command that repeats it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{request.number}.http"
    file.write_bytes(request.content())
    parts = ["curl", "-i", "--path-as-is", "-X", request.method]
    for name, value in _sent_headers(request):
        parts += ["-H", f"{name}: {value}"]
    if request.body:
        body = file.with_suffix(".body")
        body.write_bytes(request.body)
        parts += ["--data-binary", f"@{body}"]
    return shlex.join([*parts, f"{url}{request.target}"])


def _sent_headers(request: FuzzRequest) -> Iterable[tuple[str, str]]:
    """The headers that curl does not write itself. The key is that of another installation."""
    for name, value in request.headers:
        if name == "X-API-Key":
            yield name, "$KEY"
        elif name not in ("Content-Length", "X-Request-ID") and value != "localhost":
            yield name, value
