"""API keys and the rate limit."""

from tests.conftest import MakeClient, upload

Photos = dict[str, bytes]


def test_endpoints_require_a_key_with_the_right_role(
    make_client: MakeClient, photos: Photos
) -> None:
    client = make_client(api_keys={"reader-key": "read", "writer-key": "write"})
    photo = upload(photos["astronaut"])
    assert client.get("/health").status_code == 200
    for headers in ({}, {"X-API-Key": "wrong"}):
        refused = client.get("/persons", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert "WWW-Authenticate" in refused.headers
        assert "wrong" not in refused.text
    reader, writer = {"X-API-Key": "reader-key"}, {"X-API-Key": "writer-key"}
    assert client.get("/persons", headers=reader).status_code == 200
    refused = client.post("/enroll", files=photo, data={"name": "E"}, headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (
        client.post("/enroll", files=photo, data={"name": "E"}, headers=writer).status_code == 201
    )


def test_a_bearer_token_is_an_api_key(make_client: MakeClient) -> None:
    client = make_client(api_keys={"reader-key": "read"})
    headers = {"Authorization": "Bearer reader-key"}
    assert client.get("/persons", headers=headers).status_code == 200


def test_the_rate_limit_answers_429_with_retry_after(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/minute")
    statuses = [client.get("/persons").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = client.get("/persons")
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/health").status_code == 200
