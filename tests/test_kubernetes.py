"""The examples in docs/kubernetes: valid for Kubernetes, restricted, and settings that exist."""

from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.errors import InvalidSetting
from app.settings import PROJECT, Settings

FOLDER = PROJECT / "docs" / "kubernetes"
FILES = ("sima.yaml", "sima-postgres.yaml")
VERSIONS = ("1.29", "1.37")


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / file).read_text()))


def pods(file: str) -> Iterator[dict[str, Any]]:
    """The pod specifications of a file."""
    for one in documents(file):
        if one["kind"] in ("Deployment", "StatefulSet"):
            yield one["spec"]["template"]["spec"]


def environment(file: str, **secret: str) -> dict[str, str]:
    """The variables of the service's container; `secret` replaces values of the secret."""
    found = documents(file)
    (values,) = (one["stringData"] for one in found if one["kind"] == "Secret")
    container = next(pods(file))["containers"][0]
    own = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    return {**values, **own, **secret}


def settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES)
def test_every_document_is_valid(file: str, version: str) -> None:
    assert len(documents(file)) >= 3
    for one in documents(file):
        kubernetes_validate.validate(one, version, strict=True)


def test_the_validator_refuses_a_wrong_field() -> None:
    deployment = next(one for one in documents("sima.yaml") if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_the_first_example_has_everything_for_one_pod() -> None:
    kinds = [one["kind"] for one in documents("sima.yaml")]
    assert kinds == ["Secret", "PersistentVolumeClaim", "Deployment", "Service"]


@pytest.mark.parametrize("file", FILES)
def test_pods_are_restricted(file: str) -> None:
    for pod in pods(file):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("file", FILES)
def test_volumes_and_references_exist(file: str) -> None:
    found = documents(file)
    claims = {one["metadata"]["name"] for one in found if one["kind"] == "PersistentVolumeClaim"}
    (secret,) = (one for one in found if one["kind"] == "Secret")
    for one in found:
        if one["kind"] not in ("Deployment", "StatefulSet"):
            continue
        assert (
            one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
        )
        pod = one["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {
            each["metadata"]["name"] for each in one["spec"].get("volumeClaimTemplates", [])
        }
        for volume in pod["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            for variable in container["env"]:
                if reference := variable.get("valueFrom"):
                    assert reference["secretKeyRef"]["key"] in secret["stringData"]


@pytest.mark.parametrize("file", FILES)
def test_nothing_starts_without_keys(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials are shipped, so none can be forgotten."""
    with pytest.raises(InvalidSetting, match="SIMA_API_KEYS"):
        settings(monkeypatch, environment(file))


@pytest.mark.parametrize("file", FILES)
def test_the_variables_are_settings(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = environment(file, SIMA_API_KEYS='{"key": "write"}')
    names = {f"SIMA_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in variables if name.startswith("SIMA_")} <= names
    found = settings(monkeypatch, variables)
    if file == "sima-postgres.yaml":
        assert found.index_url == "pgvector:"
        assert found.effective_database_url.startswith("postgresql+psycopg://sima:")


@pytest.mark.parametrize("file", FILES)
def test_kubernetes_sets_no_variable_that_is_a_setting(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the service `sima`, service links would set SIMA_PORT to a URL."""
    for pod in pods(file):
        assert pod["enableServiceLinks"] is False
    with pytest.raises(InvalidSetting, match="SIMA_PORT"):
        settings(monkeypatch, {"SIMA_PORT": "tcp://10.0.0.1:80"})
