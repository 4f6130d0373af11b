"""The Dockerfile, its build file and its compose file, as texts: no image is built here."""

import json
import re
from pathlib import PurePosixPath

import yaml

from app.settings import PROJECT

TEXT = (PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")
]
FINAL = INSTRUCTIONS[[name for name, _ in INSTRUCTIONS].index("FROM", 2) :]
BAKE = (PROJECT / "docker-bake.hcl").read_text()


def argument(name: str) -> str:
    """The argument of an instruction that the final stage has once."""
    (found,) = (rest for instruction, rest in FINAL if instruction == name)
    return found


def test_the_service_is_not_root_and_its_user_is_a_number() -> None:
    user, group = argument("USER").split(":")
    assert user.isdecimal()
    assert int(user) > 0
    assert int(group) > 0
    assert f"--uid {user} " in TEXT
    assert f"groupadd --system --gid {group} " in TEXT, "the group of that number exists"
    assert f"--gid {group} --home-dir" in TEXT, "it is the group of the user"


def test_the_health_check_and_the_start_need_no_shell() -> None:
    command = argument("HEALTHCHECK").partition("CMD ")[2]
    assert json.loads(command)[0] == "python"
    compile(json.loads(command)[2], "the health check", "exec")
    assert json.loads(argument("ENTRYPOINT")) == ["sima"]
    assert json.loads(argument("CMD")) == ["serve"]


def test_the_final_stage_has_no_build_tools() -> None:
    assert "pip uninstall" in dict(FINAL[1:2])["RUN"]
    copies = [rest for name, rest in FINAL if name == "COPY"]
    assert copies == ["--from=build /opt/venv /opt/venv"]


def test_only_copied_files_are_sent_to_the_build() -> None:
    sources = {
        source
        for name, rest in INSTRUCTIONS
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((PROJECT / source).exists() for source in sources)


def test_the_root_filesystem_is_read_only() -> None:
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    own = [one for one in compose["services"].values() if one.get("build")]
    assert len(own) == 3
    for service in own:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        written = [*service["tmpfs"], *(one.partition(":")[2] for one in service["volumes"])]
        assert set(written) == {"/tmp", argument("VOLUME")}  # noqa: S108 - in the container


def test_the_build_file_names_the_architectures_and_the_arguments_of_the_dockerfile() -> None:
    assert re.search(r'platforms = \["linux/amd64", "linux/arm64"\]', BAKE)
    arguments = set(re.findall(r"^ARG (\w+)=", TEXT, re.MULTILINE))
    assert set(re.findall(r"args\s+= \{ (\w+) = ", BAKE)) == arguments
    assert PurePosixPath(re.findall(r'dockerfile = "(.+)"', BAKE)[0]) == PurePosixPath("Dockerfile")
