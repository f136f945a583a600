"""Tortoise models over the tables of the migrations.

Each maps on `id`, though the real key is `(account_id, id)`: save with `update_fields`, because a
full `save()` also writes the distribution column.
"""

from tortoise import fields
from tortoise.models import Model


class Account(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.TextField()
    hide_carriers = fields.BooleanField(default=False)
    invoice_grouping = fields.TextField(default="DAY")
    created_at = fields.DatetimeField()

    class Meta:
        table = "accounts"
