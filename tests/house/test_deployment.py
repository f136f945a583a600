import json
import re

from runtime.settings import ROOT
from server.cli.main import COMMANDS

OURS = "<<: *callboard"


def test_every_service_of_the_compose_file_runs_a_command_there_is() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    named = re.findall(rf"^    {re.escape(OURS)}\n    command: (\S+)", text, re.MULTILINE)
    assert len(named) == text.count(OURS) > 0
    assert set(named) <= set(COMMANDS)


def test_the_image_runs_a_command_there_is() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    told = dict(line.split(" ", 1) for line in lines if line.startswith(("CMD ", "ENTRYPOINT ")))
    assert json.loads(told["ENTRYPOINT"])[-2:] == ["-m", "server.cli"]
    assert json.loads(told["CMD"])[0] in COMMANDS
