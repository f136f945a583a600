from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

# Where a login has signed in before: those addresses are not held up by tries from elsewhere.
_SQL = """
CREATE INDEX sessions_address ON sessions (account_id, login_id, address) WHERE staff_id IS NULL;
"""


class Migration(Base):
    dependencies = [("models", "0005_numbers")]  # noqa: RUF012
    operations = [RunSQL(_SQL)]  # noqa: RUF012
