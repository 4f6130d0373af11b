"""Runs one benchmark after the other: `make bench` and `make bench-full`.

    python -m benchmarks [quick|full] [--only NAME ...] [--list]

The exit status is 1 if a benchmark failed, or if a package that one of them compares with is not
installed; then nothing is run. A benchmark without its data is left out and named at the end.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from time import monotonic

from app.settings import PROJECT
from benchmarks.suites import SUITES, Benchmark


def missing_peers(chosen: Sequence[Benchmark]) -> list[str]:
    """The packages that the benchmarks compare with and that are not installed."""
    wanted = {peer for one in chosen for peer in one.peers}
    return sorted(peer for peer in wanted if find_spec(peer) is None)


def run(chosen: Sequence[Benchmark]) -> Iterator[str]:
    """Run the benchmarks in order; what was left out or failed, one line each."""
    for number, one in enumerate(chosen, start=1):
        if one.data is not None and not (PROJECT / one.data).exists():
            yield f"left out: {one.command}, because {one.data} is absent"
            continue
        print(f"\n[{number}/{len(chosen)}] python -m {one.command}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{one.module}", *one.arguments]
        status = subprocess.run(command, check=False, cwd=PROJECT).returncode
        if status:
            yield f"failed with exit status {status}: {one.command}"


def main() -> None:
    """Check that the compared packages are there, run the benchmarks, name what is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=SUITES, default="quick")
    parser.add_argument("--only", nargs="+", help="the names of the benchmarks to run")
    parser.add_argument("--list", action="store_true", help="print the commands, run nothing")
    options = parser.parse_args()
    chosen = [one for one in SUITES[options.suite] if one.module in (options.only or [one.module])]
    if options.list:
        print("\n".join(f"python -m {one.command}" for one in chosen))
        return
    missing = missing_peers(chosen)
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; run `make train-deps`, then try again")
    began = monotonic()
    problems = list(run(chosen))
    print(f"\n{len(chosen)} benchmarks in {monotonic() - began:.0f} s")
    print("\n".join(problems))
    sys.exit(1 if any(line.startswith("failed") for line in problems) else 0)


if __name__ == "__main__":
    main()
