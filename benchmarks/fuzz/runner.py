"""Sends the requests from several threads, and collects the findings."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
from tqdm import tqdm

from benchmarks.fuzz.facades import compreface, deepstack
from benchmarks.fuzz.judging import Finding, judge
from benchmarks.fuzz.operations import operations_of, undocumented
from benchmarks.fuzz.rekognition import rekognition, signed
from benchmarks.fuzz.requests import FuzzRequest, RequestMaker
from benchmarks.fuzz.sending import Answer, send
from benchmarks.fuzz.target import Target, learn
from benchmarks.fuzz.values import Known

FACADES = {"compreface": compreface, "deepstack": deepstack, "rekognition": rekognition}
"""The operations by the name in SIMA_COMPAT."""

_RESTORE_EVERY = 200
_KEPT = 500  # latest requests


@dataclass(slots=True)
class Results:
    """What was counted and found; `sent` has the requests of findings, and the latest ones."""

    statuses: Counter[str] = field(default_factory=Counter)
    by_caller: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    sent: dict[int, FuzzRequest] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")


class Fuzzer:
    """Sends `count` requests of a seed to the target. `seconds` is the longest wait for one."""

    def __init__(self, target: Target, seed: int, first: int, count: int, seconds: float) -> None:
        self._target, self._seconds = target, seconds
        self._known, self._results, self._lock = Known(), Results(), threading.Lock()
        self._numbers = iter(tqdm(range(first, first + count), desc="requests", mininterval=1.0))
        self._maker = self._new_maker(seed)
        self._is_alive = True

    def run(self, clients: int) -> Results:
        """Sends all requests, or stops when the service does not answer any more."""
        self._target.restore(self._known)
        with ThreadPoolExecutor(clients) as pool:
            for sent in [pool.submit(self._send_all) for _ in range(clients)]:
                sent.result()
        return self._results

    def _new_maker(self, seed: int) -> RequestMaker:
        with self._target.client() as client:
            document: Mapping[str, Any] = client.get("/openapi.json").raise_for_status().json()
        with_keys = bool(self._target.keys["admin"])
        operations = [*operations_of(document, with_keys=with_keys), *undocumented()]
        for name in self._target.compat:
            operations += FACADES[name]()
        self._known.add("subject", "Ada")
        for key in filter(None, self._target.keys.values()):
            self._known.add("api_key", key)
        return RequestMaker(
            seed, operations, document["components"]["schemas"], self._target.keys, self._known
        )

    def _send_all(self) -> None:
        while self._is_alive:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            if number % _RESTORE_EVERY == 0:
                self._restore(number)
            self._send(signed(self._maker.make(number), datetime.now(UTC)))

    def _send(self, request: FuzzRequest) -> None:
        began = time.monotonic()
        answer = send(self._target.server.port, request, self._seconds)
        seconds = time.monotonic() - began
        if answer.status < 300:
            learn(self._known, answer.body)
        finding = judge(request, answer)
        with self._lock:
            self._count(request, answer, seconds)
            if finding is not None:
                self._add(finding, request)
        if answer.failure is not None and not answer.is_closed:
            self._look_for_death(request)

    def _count(self, request: FuzzRequest, answer: Answer, seconds: float) -> None:
        results = self._results
        results.statuses[str(answer.status or "closed")] += 1
        results.by_caller[request.caller] += 1
        results.sent[request.number] = request
        results.slowest = max(results.slowest, (seconds, _name(request)))
        if len(results.sent) > 10 * _KEPT:
            found = {finding.request for finding in results.findings}
            for number in list(results.sent)[:_KEPT]:
                if number not in found:
                    del results.sent[number]

    def _add(self, finding: Finding, request: FuzzRequest) -> None:
        self._results.findings.append(finding)
        tqdm.write(f"{request.number}: {_name(request)}: {finding.what}: {finding.details[:200]}")

    def _look_for_death(self, request: FuzzRequest) -> None:
        """Stops if the process has ended or does not answer any more."""
        server = self._target.server
        try:
            httpx2.get(f"{server.url}/health", timeout=self._seconds).raise_for_status()
        except httpx2.HTTPError as error:
            what = "the service has ended" if server.process.poll() is not None else "no /health"
            with self._lock:
                self._is_alive = False
                self._add(Finding(request.number, what, repr(error)), request)

    def _restore(self, number: int) -> None:
        try:
            self._target.restore(self._known)
        except httpx2.HTTPError as error:
            refused = isinstance(error, httpx2.HTTPStatusError) and (
                error.response.status_code < 500
            )
            if not refused:  # otherwise another request has deleted something
                with self._lock:
                    what = "people and words cannot be created"
                    self._results.findings.append(Finding(None, what, f"{number}: {error!r}"))


def _name(request: FuzzRequest) -> str:
    return request.operation.name
