"""The committed files of GraphiQL equal a build from its package and lock file."""

import subprocess
from pathlib import Path

import pytest

from server.graphql.graphiql import page
from tests.support.clients import node

pytestmark = pytest.mark.clients


def test_building_from_the_lock_file_reproduces_the_committed_files(tmp_path: Path) -> None:
    folder = page.BUILT.parent
    node.install(folder)
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=folder, check=True, timeout=120)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(built) == {"graphiql.js", "graphiql.css", "LICENSES.txt"}
    for name, content in built.items():
        assert content == (page.BUILT / name).read_bytes(), f"{name}: run `node build.mjs` again"
