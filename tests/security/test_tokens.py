"""Bearer tokens of an identity provider: a local server with its keys, and tokens of it."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app.api.token_settings import open_tokens
from app.errors import InvalidSetting
from tests.conftest import MakeClient, make_settings

ISSUER, AUDIENCE = "https://id.example/realms/a", "sima"
ROLES = {"face-admins": "admin", "doors": "read", "desks": "enroll"}
SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Provider:
    """Serves public keys as a JWKS and counts the requests."""

    def __init__(self) -> None:
        self.keys: dict[str, SigningKey] = {"one": ec.generate_private_key(ec.SECP256R1())}
        self.fetches = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = json.dumps({"keys": provider.public()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def public(self) -> list[dict[str, Any]]:
        described = []
        for key_id, key in self.keys.items():
            kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            public: Any = key.public_key()
            described.append({**kind.to_jwk(public, as_dict=True), "kid": key_id, "use": "sig"})
        return described

    def token(
        self, key_id: str = "one", key: Any = None, algorithm: str = "ES256", **claims: Any
    ) -> str:
        stated = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "anna@example.org",
            "exp": time.time() + 300,
            "roles": ["doors", "other"],
            **claims,
        }
        present = {name: value for name, value in stated.items() if value is not None}
        chosen = key if key is not None else self.keys[key_id]
        return jwt.encode(present, chosen, algorithm=algorithm, headers={"kid": key_id})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """An identity provider."""
    made = Provider()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def service(make_client: MakeClient, provider: Provider) -> TestClient:
    """A service that accepts its tokens."""
    return make_client(
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=provider.url,
        oidc_roles=ROLES,
    )


def answer(client: TestClient, token: str, method: str = "GET", path: str = "/persons") -> Any:
    return client.request(method, path, headers={"Authorization": f"Bearer {token}"})


def test_a_service_with_an_issuer_is_closed(service: TestClient) -> None:
    assert service.get("/persons").status_code == 401
    assert service.get("/persons", headers={"Host": "sima.example"}).status_code == 401


def test_a_token_has_the_highest_role_of_its_claim(service: TestClient, provider: Provider) -> None:
    assert answer(service, provider.token()).status_code == 200
    assert answer(service, provider.token(roles="doors")).status_code == 200
    assert answer(service, provider.token(), "DELETE", "/persons/x").status_code == 403
    both = provider.token(roles=["doors", "desks"])
    assert answer(service, both, "DELETE", "/persons/x").status_code == 404
    assert answer(service, both, "POST", "/embed").status_code == 403
    admin = provider.token(roles=["face-admins"])
    assert answer(service, admin, "POST", "/embed").status_code == 415


@pytest.mark.parametrize("roles", [None, [], ["other"], {"doors": 1}, 7, [["doors"]]])
def test_a_token_without_a_known_role_is_403(
    service: TestClient, provider: Provider, roles: object
) -> None:
    refused = answer(service, provider.token(roles=roles))
    assert refused.status_code == 403
    assert "SIMA_OIDC_ROLES" in refused.json()["detail"]


INVALID: dict[str, Any] = {
    "expired": lambda p: p.token(exp=time.time() - 60),
    "not yet valid": lambda p: p.token(nbf=time.time() + 300),
    "other audience": lambda p: p.token(aud="shop"),
    "other issuer": lambda p: p.token(iss="https://id.example/realms/b"),
    "no expiry": lambda p: p.token(exp=None),
    "no audience": lambda p: p.token(aud=None),
    "no subject": lambda p: p.token(sub=None),
    "other key": lambda p: p.token(key=ec.generate_private_key(ec.SECP256R1())),
    "unknown key id": lambda p: p.token("two", key=p.keys["one"]),
    "no algorithm": lambda p: p.token(key="", algorithm="none"),
    "HMAC": lambda p: p.token(key="a-secret-of-32-bytes-0123456789ab", algorithm="HS256"),
    "changed": lambda p: p.token()[:-8] + "AAAAAAAA",
    "no signature": lambda p: p.token().rpartition(".")[0] + ".",
    "no token": lambda _: "a.b.c",
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_token_is_401(service: TestClient, provider: Provider, case: str) -> None:
    token = INVALID[case](provider)
    refused = answer(service, token)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert token not in refused.text
    assert "anna" not in refused.text


def test_keys_are_cached_and_invented_key_ids_do_not_flood_the_provider(
    service: TestClient, provider: Provider
) -> None:
    before = provider.fetches
    for number in range(10):
        assert answer(service, provider.token(f"invented-{number}", provider.keys["one"]))
        assert answer(service, provider.token()).status_code == 200
    assert provider.fetches <= before + 1


def test_a_new_key_of_the_provider_is_fetched(make_client: MakeClient) -> None:
    provider = Provider()
    tokens = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": provider.url}
    claims = {"oidc_role_claim": "realm_access.roles", "oidc_roles": ROLES}
    client = make_client(**tokens, **claims)
    roles: dict[str, Any] = {"realm_access": {"roles": ["doors"]}}
    assert answer(client, provider.token(**roles)).status_code == 200
    provider.keys["two"] = rsa.generate_private_key(65537, 2048)
    assert answer(client, provider.token("two", algorithm="RS256", **roles)).status_code == 200
    provider.server.shutdown()
    provider.server.server_close()
    assert answer(client, provider.token(**roles)).status_code == 200


def test_an_unreachable_provider_is_503(make_client: MakeClient, provider: Provider) -> None:
    client = make_client(
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url="http://127.0.0.1:9/keys",
        oidc_roles=ROLES,
    )
    refused = answer(client, provider.token())
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"oidc_audience": None}, "SIMA_OIDC_AUDIENCE"),
        ({"oidc_roles": {}}, "SIMA_OIDC_ROLES"),
        ({"oidc_jwks_url": "http://id.example/keys"}, "https"),
    ],
)
def test_incomplete_settings_end_the_start(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    complete = {
        "oidc_issuer": ISSUER,
        "oidc_audience": AUDIENCE,
        "oidc_jwks_url": "https://id.example/keys",
        "oidc_roles": ROLES,
    }
    assert open_tokens(make_settings(tmp_path, **complete)) is not None
    with pytest.raises(InvalidSetting, match=text):
        open_tokens(make_settings(tmp_path, **{**complete, **changes}))
