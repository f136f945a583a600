"""The container files: commands, published ports and privileges."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from runtime.settings import ROOT
from server.cli.main import COMMANDS
from tests.support.programs import Program

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"] == "callboard"}
HEX_24_BYTES = re.compile(r"[0-9a-f]{48}")


def test_every_service_of_the_compose_file_runs_an_existing_command() -> None:
    assert {"web", "ingest", "worker", "migrate"} == OURS
    assert {SERVICES[name]["command"][0] for name in OURS} <= set(COMMANDS)


def test_the_image_runs_an_existing_command() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    instructions = dict(
        line.split(" ", 1) for line in lines if line.startswith(("CMD ", "ENTRYPOINT "))
    )
    assert json.loads(instructions["ENTRYPOINT"])[-2:] == ["-m", "server.cli"]
    assert json.loads(instructions["CMD"])[0] in COMMANDS


def test_the_image_holds_the_bytecode_of_packages_and_of_every_layer() -> None:
    """Its file system is read-only: without it, each start compiles everything again."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    layers = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    compiled = re.search(r"^RUN python -m compileall -q (.+)$", text, re.MULTILINE)
    assert compiled is not None
    assert layers - {"bench", "tests"} == set(compiled[1].split())
    assert "--compile-bytecode" in text


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_only_the_privileges_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert not service.get("privileged")
    assert ("healthcheck" in service) == (name not in ("migrate", "proxy"))


def test_the_proxy_sends_reports_of_switches_to_a_process_of_their_own() -> None:
    text = (ROOT / "deploy/Caddyfile").read_text("utf-8")
    upstreams = dict(re.findall(r"\$(CALLBOARD_\w*UPSTREAM):(\w+):8000", text))
    assert upstreams == {"CALLBOARD_INGEST_UPSTREAM": "ingest", "CALLBOARD_UPSTREAM": "web"}
    for name in upstreams.values():
        assert SERVICES[name]["command"][-2:] == ["--port", "8000"]
        assert name in SERVICES["proxy"]["depends_on"]
    assert re.search(r"handle /ingest/\* \{\s+reverse_proxy \{\$CALLBOARD_INGEST", text)


def test_only_the_proxy_is_published() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_reaches_the_callboard_containers(name: str) -> None:
    assert SERVICES[name]["env_file"] == ".env"


def test_no_password_has_a_default_and_every_image_can_be_pinned() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    used = re.findall(r"\$\{(\w+)(:[-?])?", text)
    assert {name for name, mark in used if mark == ":?"} == {
        "CALLBOARD_DOMAIN",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
    }
    assert not [name for name, mark in used if "PASSWORD" in name and mark != ":?"]
    pinned = (ROOT / "deploy" / "pin-images").read_text("utf-8")
    images = re.findall(r"\$\{(\w+_IMAGE):-([\w.:-]+)\}", text)
    assert len(images) == 4
    assert [
        f"{name} {image}" for name, image in images if f"pin {name} {image}" not in pinned
    ] == []


def test_passwords_are_generated_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "make-env", tmp_path / "deploy")
    subprocess.run([script, "voice.example"], check=True, capture_output=True)
    file = tmp_path / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
    assert values["CALLBOARD_DOMAIN"] == "voice.example"
    passwords = {values["POSTGRES_PASSWORD"], values["REDIS_PASSWORD"]}
    assert len(passwords) == 2
    assert all(HEX_24_BYTES.fullmatch(password) for password in passwords)
    again = subprocess.run([script, "voice.example"], check=False, capture_output=True)
    assert again.returncode == 1
    assert values == dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))


def test_no_secret_is_copied_into_the_image() -> None:
    assert ".env*" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def test_the_worker_has_its_own_health_check(worker: Program, tmp_path: Path) -> None:
    """The check of the compose file, with the file of a worker that runs without a web process."""
    from tests.support import processes

    file = tmp_path / "worker.alive"
    check = SERVICES["worker"]["healthcheck"]["test"]
    assert SERVICES["worker"]["command"][1:] == ["--alive-file", "/tmp/worker.alive"]
    code = check[3].replace("/tmp/worker.alive", str(file))

    def is_healthy() -> bool:
        return (
            subprocess.run(["python3", "-c", code], check=False, capture_output=True).returncode
            == 0
        )

    assert not is_healthy()
    with Program(["worker", "--alive-file", str(file)], worker.environment, None):
        assert processes.eventually(is_healthy, 40)
    os.utime(file, (0, 0))
    assert not is_healthy()
