from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

from models.schema_version import mark_compatible

# Which switches were active before Redis lost live state: those have to report before it is shown
# as complete. Not known (null) of those before this migration: they are stored at their next event.
_SQL = """
ALTER TABLE switches
    ADD COLUMN last_active_at timestamptz,                 -- to within 30 s
    ADD COLUMN sends_beats boolean NOT NULL DEFAULT false;
"""


class Migration(Base):
    dependencies = [("models", "0021_compatible_migrations")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        RunSQL(_SQL),
        mark_compatible("0022_switch_activity", oldest_code="0021_compatible_migrations"),
    ]
