from pathlib import Path
from typing import ClassVar

from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import Operation, RunSQL


class Migration(Base):
    operations: ClassVar[list[Operation]] = [
        RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    ]
