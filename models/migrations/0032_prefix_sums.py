from pathlib import Path

from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL


class Migration(Base):
    dependencies = [("models", "0031_revisions")]  # noqa: RUF012
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text("utf-8"))]  # noqa: RUF012
