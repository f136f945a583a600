"""A test that hangs fails by name, and the tests after it run."""

import re
import subprocess
import sys
from pathlib import Path

from runtime import child
from runtime.settings import ROOT

TESTS = """
import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
async def never():
    await asyncio.Event().wait()


async def test_that_awaits():
    nothing_comes = asyncio.Event()
    await nothing_comes.wait()


async def test_that_catches_its_cancellation():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            time.sleep(60)


def test_that_blocks():
    time.sleep(60)


async def test_whose_fixture_hangs(never):
    pass


@given(st.integers())
async def test_of_any_number(number):
    await asyncio.Event().wait()


async def test_after_them():
    await asyncio.sleep(0)
"""

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
asyncio_default_test_loop_scope = session
hang_seconds = 0.5
"""


def test_tests_that_hang_fail_by_name_and_the_next_test_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_hanging.py"
    file.write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    options = ("-q", "-rfEp", "-p", "tests.support.hangs", "--rootdir", str(tmp_path))
    ended = subprocess.run(
        child.command(sys.executable, "-P", "-m", "pytest", *options, str(file)),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    summary = ended.stdout[ended.stdout.index("short test summary") :]
    assert sorted(re.findall(r"^([A-Z]+) test_hanging\.py::test_(\w+)", summary, re.M)) == [
        ("ERROR", "whose_fixture_hangs"),
        ("FAILED", "of_any_number"),
        ("FAILED", "that_awaits"),
        ("FAILED", "that_blocks"),
        ("FAILED", "that_catches_its_cancellation"),
        ("PASSED", "after_them"),
    ]
    assert "The test hangs: it has not ended after 0.5 seconds." in ended.stdout
    assert ">       await nothing_comes.wait()" in ended.stdout
