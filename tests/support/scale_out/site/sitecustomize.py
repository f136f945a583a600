"""Python imports this when it starts with this folder in PYTHONPATH, as the programs of tests do.

It lets those record their statements without a line in the product: nothing is loaded or changed
before a program imports `models.db`.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path


class _Begin:
    """Finds no module; Python calls it before `models.db` is loaded."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "models.db":
            sys.meta_path.remove(self)
            from tests.support.scale_out import recorder

            recorder.begin(Path(os.environ[recorder.FOLDER]))
        return None


if "STATEMENTS_FOLDER" in os.environ:
    sys.meta_path.insert(0, _Begin())
