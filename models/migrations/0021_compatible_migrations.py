from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

# Code that does not have migration `name` runs on a schema that has it, if the newest migration of
# the code is `oldest_code` or later. A migration marks itself: models/schema_version.py.
_SQL = """
CREATE TABLE compatible_migrations (
    name        text PRIMARY KEY,
    oldest_code text NOT NULL CHECK (oldest_code < name)
)
"""


class Migration(Base):
    dependencies = [("models", "0020_oldest_marks")]  # noqa: RUF012
    operations = [RunSQL(_SQL)]  # noqa: RUF012
