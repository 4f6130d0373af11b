"""The address of a client behind a reverse proxy, and the examples in docs/proxy."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import InvalidSetting
from app.settings import PROJECT
from harness.servers import Server, free_port, running
from tests.conftest import make_settings

EXAMPLES = PROJECT / "docs" / "proxy"
TRUSTED = {"SIMA_TRUSTED_PROXIES": '["127.0.0.1"]'}
LIMIT = {"SIMA_RATE_LIMIT": "3/hour"}

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="requires nginx (Debian: nginx-light)"
)
needs_caddy = pytest.mark.skipif(shutil.which("caddy") is None, reason="requires caddy")


def statuses(server: Server, *forwarded: str) -> list[int]:
    """Statuses of requests with these values of X-Forwarded-For."""
    url = f"{server.url}/persons"
    return [httpx2.get(url, headers={"X-Forwarded-For": value}).status_code for value in forwarded]


def test_a_client_cannot_choose_its_address(tmp_path: Path) -> None:
    with running(tmp_path, **LIMIT) as server:
        invented = [f"203.0.113.{number}" for number in range(5)]
        assert statuses(server, *invented) == [200] * 3 + [429] * 2


def test_clients_of_a_trusted_proxy_are_counted_separately(tmp_path: Path) -> None:
    with running(tmp_path, **LIMIT, **TRUSTED) as server:
        assert statuses(server, *["203.0.113.1"] * 4) == [200] * 3 + [429]
        assert statuses(server, "203.0.113.2") == [200]
        # The proxy appends the address that it sees; what comes before is the client's invention.
        invented = [f"198.51.100.{number}, 203.0.113.2" for number in range(3)]
        assert statuses(server, *invented) == [200] * 2 + [429]


@pytest.mark.parametrize("value", ["*", "proxy.example", "10.0.0.1/8"])
def test_a_proxy_is_named_by_address_or_network(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidSetting, match=r"SIMA_TRUSTED_PROXIES.*10\.0\.0\.0/8"):
        make_settings(tmp_path, trusted_proxies=(value,))


def write_certificate(folder: Path) -> None:
    """Writes sima.crt and sima.key, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sima.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "sima.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "sima.key").write_bytes(private)


@contextmanager
def nginx(folder: Path, service: int, listen: str, *, prefix: bool = False) -> Iterator[None]:
    """Runs nginx with an example, whose ports and paths are replaced, until the block ends."""
    name = "nginx-prefix.conf" if prefix else "nginx.conf"
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert "127.0.0.1:8000" in text
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{service}")
    if prefix:
        text = f"server {{ listen {listen}; {text} }}"
    else:
        assert "listen 443 ssl" in text
        text = text.replace("listen 443 ssl", f"listen {listen} ssl")
        text = text.replace("/etc/ssl/", f"{folder}/")
    paths = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "main.conf"
    main.write_text(
        f"daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {paths}\n{text} }}\n",
        encoding="utf-8",
    )
    command = ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(main)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


@needs_nginx
def test_the_nginx_example(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    listen = free_port()
    keys = {"SIMA_API_KEYS": json.dumps({"reader-key-12345": "read"})}
    with (
        running(tmp_path / "data", **keys, **LIMIT, **TRUSTED) as server,
        nginx(tmp_path, server.port, str(listen)),
        httpx2.Client(base_url=f"https://127.0.0.1:{listen}", verify=False) as client,
    ):
        assert client.get("/health").json() == {"status": "ok"}
        headers = {"X-API-Key": "reader-key-12345"}
        assert client.get("/persons", headers=headers).status_code == 200
        large = client.post("/identify", content=b"x" * 29_000_000, headers=headers)
        assert large.status_code == 413
        found = [
            client.get("/persons", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code
            for n in range(5)
        ]
        assert found[-1] == 429, "an invented address has no effect behind the proxy"


@needs_nginx
def test_the_nginx_example_with_a_prefix(tmp_path: Path) -> None:
    listen = free_port()
    (tmp_path / "data").mkdir()
    with (
        running(tmp_path / "data", SIMA_ROOT_PATH="/faces", **TRUSTED) as server,
        nginx(tmp_path, server.port, f"127.0.0.1:{listen}", prefix=True),
        httpx2.Client(base_url=f"http://127.0.0.1:{listen}/faces") as client,
    ):
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/persons").json()["persons"] == []
        for page, script in (("/docs", "docs/start.js"), ("/console/", "js/main.js")):
            opened = client.get(page)
            assert script in opened.text
            assert client.get(str(opened.url.join(script))).status_code == 200
        assert client.get("/").headers["Location"] == "console/"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/faces"}]


@needs_caddy
def test_the_caddy_example_is_valid(tmp_path: Path) -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config"]
    done = subprocess.run(
        [*command, str(EXAMPLES / "Caddyfile")],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
