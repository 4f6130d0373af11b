"""Starts, stops and kills service processes on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from app.settings import PROJECT


class Server:
    """A process of `sima serve`; `wrapper` is a command to run it in, such as `unshare`.

    `checkout` is the folder of the source code to run, by default this one; `log` is a
    file for standard error.
    """

    def __init__(
        self,
        data: Path,
        *arguments: str,
        wrapper: Sequence[str] = (),
        checkout: Path | str = PROJECT,
        log: Path | str = os.devnull,
        **environment: str,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SIMA_")},
            "SIMA_DATA_DIR": str(data),
            "SIMA_DEFAULT_VOCABULARY": "",
            "SIMA_REQUEST_SECONDS": "600",  # on a machine that runs many tests, requests take long
            "PYTHONPATH": str(checkout),
            **environment,
        }
        command = [
            *wrapper,
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--port",
            str(self.port),
            *arguments,
        ]
        # A new process group, so that a signal also reaches uvicorn's workers.
        with Path(log).open("w") as errors:
            self.process = subprocess.Popen(
                command, cwd=checkout, env=env, start_new_session=True, stderr=errors
            )

    def wait_until_ready(self, seconds: float = 90.0) -> "Server":
        """Poll `/ready`; raises TimeoutError, or RuntimeError if the process ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self.process.returncode}")
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/ready").status_code == 200:
                    return self
            time.sleep(0.1)
        raise TimeoutError("the server is not ready")

    def kill(self) -> None:
        """Send SIGKILL to the process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """Send SIGTERM; returns the exit status. Raises TimeoutExpired after `seconds`."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def running(data: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    """Starts a server for the duration of the block."""
    server = Server(data, *arguments, **environment)
    try:
        yield server.wait_until_ready()
    finally:
        server.kill()


def free_port() -> int:
    """Returns a TCP port of 127.0.0.1 that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
