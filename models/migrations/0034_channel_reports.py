from pathlib import Path

from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

from models.schema_version import mark_compatible


class Migration(Base):
    dependencies = [("models", "0033_call_list")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        RunSQL(Path(__file__).with_suffix(".sql").read_text("utf-8")),
        mark_compatible("0034_channel_reports", oldest_code="0029_row_statistics"),
    ]
