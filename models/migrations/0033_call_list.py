from tortoise.migrations import Migration as Base
from tortoise.migrations.operations import RunSQL

from models.schema_version import mark_compatible

# The calls of the account and of a carrier, newest first: models/records/call_list.py. With the
# carrier as its last column, the other carriers' calls are skipped in the index. Building it takes
# about a second per million records; nothing stores records meanwhile.
_SQL = "CREATE INDEX call_records_setup ON call_records (account_id, setup_at, carrier_id)"


class Migration(Base):
    dependencies = [("models", "0032_prefix_sums")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        RunSQL(_SQL),
        mark_compatible("0033_call_list", oldest_code="0032_prefix_sums"),
    ]
