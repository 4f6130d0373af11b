"""Unmodified client libraries of OpenAI and Hugging Face against a running service."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from harness.servers import Server

KEYS = '{"sk-read": "read", "sk-write": "write"}'
VECTORS = b"""i 1 0 0 0
like 0 1 0 0
orange 0 0 1 0
juice 0 0 0 1
New_York 1 1 1 1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with API keys and the vocabulary `tiny`."""
    running = Server(tmp_path_factory.mktemp("data"), SIMA_API_KEYS=KEYS).wait_until_ready()
    httpx2.post(
        f"{running.url}/vocabularies",
        files={"file": ("vectors.txt", VECTORS)},
        data={"name": "tiny"},
        headers={"X-API-Key": "sk-write"},
    ).raise_for_status()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    """An OpenAI client with a read key."""
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-read", max_retries=0)


def test_the_openai_client_embeds_words_and_texts(client: openai.OpenAI) -> None:
    texts = ["orange", "I like orange juice!", "New_York"]
    answer = client.embeddings.create(model="tiny", input=texts)
    rows = np.array([item.embedding for item in answer.data])
    assert np.abs(rows - np.array([[0, 0, 1, 0], [0.5] * 4, [0.5] * 4])).max() < 1e-6
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.usage.total_tokens == 6
    one = client.embeddings.create(model="tiny", input="juice", encoding_format="float")
    assert one.data[0].embedding == [0, 0, 0, 1]
    packed: Any = client.embeddings.create(model="tiny", input="juice", encoding_format="base64")
    assert np.frombuffer(base64.b64decode(packed.data[0].embedding), "<f4").tolist() == [0, 0, 0, 1]


def test_the_openai_client_receives_error_codes(client: openai.OpenAI, server: Server) -> None:
    def refused(model: str, text: str) -> str:
        with pytest.raises(openai.NotFoundError) as caught:
            client.embeddings.create(model=model, input=["juice", text])
        return str(caught.value.response.json()["code"])

    assert refused("tiny", "qwxyz") == "word_not_found"
    assert refused("none", "juice") == "vocabulary_not_found"
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model="tiny", input="juice", dimensions=3)
    stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-none", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.embeddings.create(model="tiny", input="juice")


def test_the_unknown_text_of_a_batch_is_named(client: openai.OpenAI) -> None:
    texts = ["juice", "I like orange", "qwxyz qqq", "orange"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="tiny", input=texts)
    body = caught.value.response.json()
    assert [error["where"] for error in body["errors"]] == ["input.2"]
    assert body["detail"].startswith("text 2 of input: 'qwxyz qqq' is not in the vocabulary")


def test_the_openai_client_lists_models(client: openai.OpenAI) -> None:
    [tiny] = [model for model in client.models.list() if model.id == "tiny"]
    assert (tiny.object, tiny.owned_by) == ("model", "sima")
    assert client.models.retrieve("tiny") == tiny
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("none")
    assert caught.value.response.json()["code"] == "vocabulary_not_found"


def test_unknown_words_of_a_text_are_reported(server: Server) -> None:
    answer = httpx2.post(
        f"{server.url}/v1/embeddings",
        json={"model": "tiny", "input": "Orange peel"},
        headers={"Authorization": "Bearer sk-read"},
    ).json()
    assert answer["data"][0]["out_of_vocabulary"] == ["peel"]
    assert answer["data"][0]["embedding"] == [0, 0, 1, 0]


def test_the_hugging_face_client_classifies(server: Server) -> None:
    url = f"{server.url}/zero-shot/classify?vocabulary=tiny"
    client = InferenceClient(model=url, token="sk-read")
    best, second = client.zero_shot_classification("I like juice", ["like", "orange"])
    assert (best.label, second.label) == ("like", "orange")
    assert best.score + second.score == pytest.approx(1.0)
    several = client.zero_shot_classification("juice", ["juice", "orange"], multi_label=True)
    assert all(0.0 <= row.score <= 1.0 for row in several)
    assert several[0].label == "juice"


def test_the_hugging_face_client_receives_error_codes(server: Server) -> None:
    url = f"{server.url}/zero-shot/classify?vocabulary=tiny"
    with pytest.raises(HfHubHTTPError) as refused:
        InferenceClient(model=url, token="wrong").zero_shot_classification("juice", ["orange"])
    assert refused.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError) as refused:
        InferenceClient(model=url, token="sk-read").zero_shot_classification("juice", ["qwxyz"])
    assert refused.value.response.json()["code"] == "validation_error"
