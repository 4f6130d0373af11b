"""`make fuzz`: a short run finds nothing, and what must not happen is found."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.api.route_table import COMPAT_ROUTES, REKOGNITION_OPERATIONS
from app.compat.rekognition.failures import RekognitionError
from app.compat.rekognition.signatures import Signature, SignedRequest
from app.settings import PROJECT
from benchmarks.fuzz.judging import judge, read_log
from benchmarks.fuzz.operations import Operation, Parameter
from benchmarks.fuzz.rekognition import signed
from benchmarks.fuzz.reports import write_findings
from benchmarks.fuzz.requests import FuzzRequest, RequestMaker
from benchmarks.fuzz.runner import FACADES, Results
from benchmarks.fuzz.sending import Answer
from benchmarks.fuzz.values import Known

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
REQUESTS = 400
PERSONS = Operation("GET", "/persons", [Parameter("q", "query", "q", {"type": "string"}, True)])


def request(*, is_complete: bool = True) -> FuzzRequest:
    headers = [("Host", "localhost"), ("X-API-Key", "secret")]
    return FuzzRequest(7, PERSONS, "admin", "GET", "/persons?q=a", headers, b"ab", is_complete)


def maker(seed: int) -> RequestMaker:
    operations = [one for name in FACADES for one in FACADES[name]()]
    return RequestMaker(seed, [PERSONS, *operations], {}, {"admin": "a", "nobody": ""}, Known())


@pytest.mark.slow
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    options = ["--count", str(REQUESTS), "--seed", "17", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "findings: 0 (seed 17)" in done.stdout
    counts = {status: int(n) for status, n in re.findall(r"│ (\d{3})\s+│ (\d+)\s*│", done.stdout)}
    assert counts["200"] > REQUESTS / 10
    assert counts["422"] > REQUESTS / 20
    assert {"401", "403", "404"} <= set(counts)


def test_a_seed_repeats_its_requests() -> None:
    sent = [maker(1).make(number).content() for number in range(200)]
    assert [maker(1).make(number).content() for number in range(200)] == sent
    assert len(set(sent)) > 190
    assert maker(2).make(0).content() != sent[0]


def test_every_operation_of_another_services_api_is_sent() -> None:
    operations = [one for name in FACADES for one in FACADES[name]()]
    assert {f"{one.method} {one.path}" for one in operations} == {
        route.replace(":path}", "}") for route in COMPAT_ROUTES
    }
    named = {one.name.rpartition(".")[2] for one in FACADES["rekognition"]()}
    assert named == set(REKOGNITION_OPERATIONS)


def test_requests_of_rekognition_are_signed_when_they_are_sent() -> None:
    [operation] = [one for one in FACADES["rekognition"]() if one.name.endswith("ListUsers")]
    headers = [("Host", "localhost"), ("X-Amz-Target", "RekognitionService.ListUsers")]
    unsigned = FuzzRequest(
        number=1,
        operation=operation,
        caller="admin",
        method="POST",
        target="/",
        headers=headers,
        body=b"{}",
        is_complete=True,
        secret="secret",
    )
    sent = {name.lower(): value for name, value in signed(unsigned, NOON).headers}
    signature = Signature.parse(sent)
    assert signature.access_key == "admin"
    signature.check(sent, NOON)
    signature.verify(SignedRequest("POST", "/", "", sent), b"{}", "secret")
    with pytest.raises(RekognitionError):
        signature.verify(SignedRequest("POST", "/", "", sent), b"{} ", "secret")
    assert signed(replace(unsigned, secret=""), NOON).headers == headers
    broken = [*headers, ("Authorization", "AWS4-HMAC-SHA256")]
    assert signed(replace(unsigned, headers=broken), NOON).headers[:3] == broken


FAILED = b'{"success":false,"code":500,"error":"internal error"}'


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(200, "application/json", b"{}"), None),
        (Answer(503, "application/problem+json", b'{"code":"overloaded"}', "1"), None),
        (Answer(503, "application/problem+json", b'{"code":"not_ready"}'), "status 503"),
        (Answer(500, "application/problem+json", b"{}"), "status 500"),
        (Answer(200, "a", FAILED), "an internal error in an answer of DeepStack"),
        (Answer(200, "a", FAILED.replace(b"internal error", b"no face")), None),
        (Answer(404, "text/html", b"<p>"), "an error that is not a JSON object"),
        (Answer(200, "application/json", b'{"a": NaN}'), "a body that is not valid JSON"),
        (Answer(422, "a", b"Traceback (most recent call last)"), "a traceback in the response"),
        (Answer(failure="no response within 9 s"), "no response within 9 s"),
        (Answer(failure="closed", is_closed=True), "closed"),
    ],
)
def test_a_response_that_must_not_happen_is_a_finding(answer: Answer, found: str | None) -> None:
    finding = judge(request(), answer)
    assert (finding and finding.what) == found


def test_a_broken_off_request_needs_no_response() -> None:
    assert judge(request(is_complete=False), Answer(failure="closed", is_closed=True)) is None


def test_an_export_may_be_broken_off() -> None:
    export = Operation("GET", "/vocabularies/{name}/export")
    broken = Answer(failure="IncompleteRead", is_closed=True)
    assert judge(replace(request(), operation=export), broken) is None
    assert judge(replace(request(), operation=export), Answer(failure="no response")) is not None


def test_errors_in_the_log_are_findings(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [
        {"level": "info", "request_id": "fuzz-1"},
        {"level": "error", "request_id": "fuzz-2", "exception": []},
        {"level": "warning", "request_id": "fuzz-3"},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    log.write_text(f"{text}\nTraceback (most recent call last):\n")
    assert [finding.request for finding in read_log(log)] == [2, None]


def test_a_finding_is_written_as_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results()
    finding = judge(request(), Answer(500, "", b"{}"))
    assert finding is not None
    results.findings.append(finding)
    results.sent[7] = request()
    write_findings(results, tmp_path, "http://127.0.0.1:1")
    output = capsys.readouterr().out
    assert "status 500: GET /persons" in output
    assert "curl -i --path-as-is -X GET" in output
    assert "secret" not in output
    assert (tmp_path / "7.body").read_bytes() == b"ab"
    assert (tmp_path / "7.http").read_bytes().startswith(b"GET /persons?q=a HTTP/1.1\r\n")
