from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

# What was refused to a person in the last hour, so that a flood of it is not written down.
_SQL = """
CREATE INDEX audit_log_refused ON audit_log (account_id, subject, at)
    WHERE action = 'session.refuse';
"""


class Migration(Base):
    dependencies = [("models", "0010_review")]  # noqa: RUF012
    operations = [RunSQL(_SQL)]  # noqa: RUF012
