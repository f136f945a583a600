from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

# The legs that ended in the last minutes, whatever day they were set up on: records come nearly in
# the order of their ends.
_SQL = """
CREATE INDEX call_records_end ON call_records USING brin (end_at)
    WITH (pages_per_range = 32, autosummarize = on);
"""


class Migration(Base):
    dependencies = [("models", "0001_initial")]  # noqa: RUF012
    operations = [RunSQL(_SQL)]  # noqa: RUF012
