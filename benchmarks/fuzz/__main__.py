"""Sends generated requests and mutated images to a service: `make fuzz`.

python -m benchmarks.fuzz [--count 100000] [--seed N] [--postgres] [--no-keys] [--compat deepstack]

Each request follows from the seed and its number: an operation of `/openapi.json` or of a facade,
valid and hostile values for its parameters, and an image that may be mutated; with the key of an
administrator, of another role, of a restricted caller, an unknown one, or without a key. With
`--no-keys` the service has no keys, and everybody is an administrator.

The exit status is 1 after a status of 500 or more other than 503 `overloaded`, an error that is not
JSON, no response, a traceback in a response, or an error in the log. Such requests are written to
files and printed as curl commands (KEY is the key of the caller). `--first N --count 1` sends one
again.
"""

import argparse
import secrets
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fuzz.judging import Finding, read_log
from benchmarks.fuzz.reports import write_findings
from benchmarks.fuzz.runner import FACADES, Fuzzer, Results
from benchmarks.fuzz.target import started
from benchmarks.report import conditions, table
from harness.postgres import postgres_database


def fuzz(options: argparse.Namespace) -> Results:
    """Starts a service, sends the requests, and reports findings."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'data' / 'sima.db'}"
        if options.postgres:
            url = stack.enter_context(postgres_database(folder / "postgres"))
        target = stack.enter_context(
            started(folder, url, options.compat, options.workers, with_keys=options.keys)
        )
        fuzzer = Fuzzer(target, options.seed, options.first, options.count, options.timeout)
        results = fuzzer.run(options.clients)
        if (failure := target.check()) is not None:
            results.findings.append(Finding(None, "the service does not work afterwards", failure))
        results.findings.extend(read_log(target.log))
        write_findings(results, options.out / str(options.seed), target.server.url)
    return results


def main() -> None:
    """Send requests, print counts and findings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="number of requests")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--first", type=int, default=0, help="number of the first request")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    keys = "API keys of every role in the service"
    parser.add_argument("--keys", action=argparse.BooleanOptionalAction, default=True, help=keys)
    parser.add_argument("--compat", default=",".join(FACADES), help="SIMA_COMPAT of the service")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for a response")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder of findings")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    results = fuzz(options)
    seconds = time.monotonic() - began
    store = "PostgreSQL" if options.postgres else "SQLite"
    store += "" if options.keys else " without keys"
    conditions(f"{results.statuses.total()} requests, {store}, {seconds:.0f} s")
    table(("status", "responses"), sorted(results.statuses.items()))
    table(("caller", "requests"), sorted(results.by_caller.items()))
    print(f"slowest: {results.slowest[0]:.1f} s, {results.slowest[1]}")
    print(f"findings: {len(results.findings)} (seed {options.seed})")
    raise SystemExit(bool(results.findings))


if __name__ == "__main__":
    main()
