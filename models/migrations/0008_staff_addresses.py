from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

# A person's e-mail address is its login's; that it was proven is told by its own row.
_SQL = """
ALTER TABLE staff
    ADD COLUMN email_verified_at  timestamptz,
    ADD COLUMN mobile             text,                 -- E.164
    ADD COLUMN mobile_verified_at timestamptz;
"""


class Migration(Base):
    dependencies = [("models", "0007_profile")]  # noqa: RUF012
    operations = [RunSQL(_SQL)]  # noqa: RUF012
