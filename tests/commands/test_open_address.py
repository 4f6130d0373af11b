"""A service that other machines reach requires API keys, or an explicit permission."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.setup import require_keys
from app.errors import InvalidSetting
from app.settings import PROJECT
from harness.servers import Server
from tests.conftest import make_settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - the address that the tests are about
KEYS = '{"reader-key-12345": "read"}'


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_keys(tmp_path: Path, host: str) -> None:
    require_keys(make_settings(tmp_path), host)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.7", "sima.example"])
def test_other_addresses_need_keys_or_permission(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidSetting, match="SIMA_API_KEYS"):
        require_keys(make_settings(tmp_path), host)
    require_keys(make_settings(tmp_path, api_keys={"reader-key-12345": "read"}), host)
    require_keys(make_settings(tmp_path, open=True), host)


def test_serve_refuses_in_one_line_and_creates_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", "--host", EVERYWHERE, "--port", "0"],
        cwd=PROJECT,
        env={"PATH": "/usr/bin", "SIMA_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "SIMA_API_KEYS" in line
    assert "SIMA_OPEN=yes" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("permission", [{"SIMA_OPEN": "yes"}, {"SIMA_API_KEYS": KEYS}])
def test_serve_starts_with_permission_or_keys(tmp_path: Path, permission: dict[str, str]) -> None:
    server = Server(tmp_path, "--host", EVERYWHERE, **permission)
    try:
        server.wait_until_ready()
    finally:
        server.kill()
