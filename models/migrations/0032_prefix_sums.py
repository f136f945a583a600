from pathlib import Path

from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL


class Migration(Base):
    dependencies = [  # noqa: RUF012
        ("models", "0030_graph_sums"),
        ("models", "0031_revisions"),
    ]
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text("utf-8"))]  # noqa: RUF012
