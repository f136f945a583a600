"""The packages that others reach Callboard with, installed once."""

import node
import pytest


@pytest.fixture(scope="session")
def packages() -> None:
    node.install()
