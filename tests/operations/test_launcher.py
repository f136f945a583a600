"""./callboard: the installation, its errors and the commands that it starts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.settings import ROOT
from server.cli import main
from tests.support import processes
from tests.support.programs import free_port

_METADATA = "Metadata-Version: 2.1\nName: callboard-trifle\nVersion: 1\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_STARTED = "import sys, trifle; print('started', trifle.WORD, sys.argv[1:])"


def launch(*arguments: str, user: str = processes.USERS[0], **environment: str) -> tuple[int, str]:
    """Exit code and output of the checkout's own launcher."""
    process = subprocess.run(
        processes.as_user(user, sys.executable, str(ROOT / "callboard"), *arguments),
        env=os.environ | environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose lock contains one small package, and whose CLI prints that it started."""
    shutil.copy(ROOT / "callboard", tmp_path)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "callboard_trifle-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("trifle.py", "WORD = 'here'\n")
        archive.writestr("callboard_trifle-1.dist-info/METADATA", _METADATA)
        archive.writestr("callboard_trifle-1.dist-info/WHEEL", _WHEEL)
        archive.writestr("callboard_trifle-1.dist-info/RECORD", "")
    lock(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest())
    (tmp_path / "server" / "cli").mkdir(parents=True)
    (tmp_path / "server" / "cli" / "__main__.py").write_text(_STARTED)
    return tmp_path


def lock(checkout: Path, digest: str) -> None:
    text = f"callboard-trifle==1 \\\n    --hash=sha256:{digest}\n"
    (checkout / "requirements.lock").write_text(text)


def start(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs that checkout's launcher with only pip, and its folder as the only package index."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(checkout),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(checkout / "wheels"),
    }
    return subprocess.run(
        [sys.executable, str(checkout / "callboard"), *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_first_start_installs_the_locked_packages_and_the_second_does_not(
    checkout: Path,
) -> None:
    first = start(checkout, "up", "--port", "1")
    assert first.stdout == "started here ['up', '--port', '1']\n"
    assert "installing its packages" in first.stderr
    second = start(checkout)
    assert (second.stdout, second.stderr) == ("started here []\n", "")


def test_a_package_that_differs_from_the_lock_is_refused_until_the_lock_is_corrected(
    checkout: Path,
) -> None:
    right = (checkout / "requirements.lock").read_text()
    lock(checkout, "0" * 64)
    process = start(checkout)
    assert process.returncode != 0
    assert "could not be installed" in process.stderr
    assert "started" not in process.stdout
    (checkout / "requirements.lock").write_text(right)
    assert start(checkout).stdout == "started here []\n"


def test_help_names_every_command() -> None:
    code, output = launch("--help")
    assert code == 0
    for command in main.COMMANDS:
        assert f" {command} " in output


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    output = CliRunner().invoke(main.build([command]), [command, "--help"]).stdout
    assert f"Example: ./callboard {command}" in output


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"CALLBOARD_DATABASE_POOL": "many"}, "CALLBOARD_DATABASE_POOL"),
        ({"CALLBOARD_SECRET_KEY": "short"}, "CALLBOARD_SECRET_KEY"),
        ({"CALLBOARD_LOG_LEVEL": "loud"}, "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ({"CALLBOARD_DATABASE_URL": "postgres://127.0.0.1:9/x"}, "no connection to PostgreSQL"),
    ],
)
def test_an_invalid_setting_or_argument_is_reported_in_one_line(
    tmp_path: Path, wrong: dict[str, str], setting: str
) -> None:
    servers = {"CALLBOARD_REDIS_URL": "redis://127.0.0.1:9"}
    code, output = launch("migrate", "--data-dir", str(tmp_path), **(servers | wrong))
    assert code == 1
    assert output.count("\n") == 1
    assert setting in output
    assert "short" not in output


def test_a_data_folder_that_cannot_be_created_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output = launch(
        "up", "--port", str(free_port()), "--data-dir", str(tmp_path / "file/data")
    )
    assert code == 1
    assert output.count("\n") == 1
    assert "--data-dir" in output


@pytest.mark.parametrize("user", processes.USERS)
def test_migrate_runs_on_embedded_servers_as_root_and_as_another_user(
    tmp_path: Path, user: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    processes.own(folder, user)
    code, output = launch("migrate", "--data-dir", str(folder), user=user)
    assert code == 0, output
    assert processes.eventually(lambda: not processes.running(str(folder)), 5)


UNREACHABLE = {
    "CALLBOARD_DATABASE_URL": "postgres://carrier:hidden@127.0.0.1:9/callboard",
    "CALLBOARD_REDIS_URL": "redis://127.0.0.1:9",
}


def test_doctor_reports_unreachable_servers_and_the_remedy(tmp_path: Path) -> None:
    code, output = launch(
        "doctor",
        "--data-dir",
        str(tmp_path),
        **UNREACHABLE,
    )
    assert code == 1
    assert "Check PostgreSQL and CALLBOARD_DATABASE_URL" in output
    assert "Check Redis and CALLBOARD_REDIS_URL" in output
    assert "hidden" not in output


def test_doctor_reports_which_tests_cannot_run_here(tmp_path: Path) -> None:
    _, output = launch("doctor", "--data-dir", str(tmp_path), PATH=str(tmp_path), **UNREACHABLE)
    for part, programs in [("clients", "node and npm"), ("browser", "chromium and chromedriver")]:
        assert f"{programs} not installed; only ./callboard test {part} needs this" in output


def test_doctor_reports_the_trusted_documents(tmp_path: Path) -> None:
    manifest = tmp_path / "documents.json"
    for text, said_of_it in [
        ("{ viewer { __typename } }", f"1 in {manifest}; other documents run too"),
        ("{ nothing }", "document a of"),
    ]:
        manifest.write_text(json.dumps({"a": text}))
        _, output = launch("doctor", CALLBOARD_DOCUMENTS=str(manifest), **UNREACHABLE)
        assert said_of_it in output


def test_doctor_finds_no_problem_on_embedded_servers(tmp_path: Path) -> None:
    assert launch("migrate", "--data-dir", str(tmp_path))[0] == 0
    code, output = launch(
        "doctor", "--data-dir", str(tmp_path), CALLBOARD_PUBLIC_URL="http://[::1]:9"
    )
    assert code == 0, output
    assert "PostgreSQL 18" in output


def test_the_launcher_runs_the_tests_and_lists_those_left_out() -> None:
    code, output = launch("test", "tests/project/test_names.py", "-q")
    assert code == 0, output
    assert "passed" in output
    end = output.splitlines()[-6:]
    assert end[0] == "The part on a real switch (Kamailio and SIPp) was not run."
    assert end[1].endswith("./callboard test switch")
    assert end[2] == "The part with the client packages of npm (Node 18 or newer) was not run."
    assert end[3].endswith("./callboard test clients")
    assert end[4] == "The part in a real browser (Chromium) was not run."
    assert end[5].endswith("./callboard test browser")


def test_a_failed_test_run_fails_the_command(tmp_path: Path) -> None:
    failing = tmp_path / "test_of_one.py"
    failing.write_text("def test_one_is_two() -> None:\n    assert 1 == 2\n")
    code, output = launch("test", str(failing), "-q", "-p", "no:cacheprovider")
    assert code == 1, output
    assert "1 failed" in output


@pytest.mark.parametrize(
    ("part", "programs", "packages"),
    [
        ("clients", "node and npm", "nodejs npm"),
        ("browser", "chromium and chromedriver", "chromium chromium-driver"),
    ],
)
def test_a_part_without_its_programs_names_the_command_that_installs_them(
    tmp_path: Path, part: str, programs: str, packages: str
) -> None:
    code, output = launch("test", part, PATH=str(tmp_path))
    assert code == 1
    assert output.splitlines()[0] == f"{programs} not installed."
    assert f"{packages}; then ./callboard test {part}" in output


def test_selecting_a_marker_does_not_add_the_optional_parts() -> None:
    files = [
        "tests/switch/test_real_switch.py",
        "tests/clients",
        "tests/browser",
        "tests/project/test_fixtures.py",
    ]
    code, output = launch("test", "-m", "services", "--collect-only", "-q", *files)
    assert code == 0, output
    assert "test_fixtures.py::test_redis_is_empty_at_the_start" in output
    assert "test_real_switch.py::" not in output
    assert "test_audits.py::" not in output
    assert "test_links.py::" not in output
