from pathlib import Path

from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL


# Earlier code would store corrections of another call with the call whose id it has. It cannot run
# beside this.
class Migration(Base):
    dependencies = [("models", "0025_ids")]  # noqa: RUF012
    operations = [RunSQL(Path(__file__).with_suffix(".sql").read_text("utf-8"))]  # noqa: RUF012
