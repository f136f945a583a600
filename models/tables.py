"""Tortoise models over the tables of the migrations.

Each maps on `id`, though the real key is `(account_id, id)`: save with `update_fields`, because a
full `save()` also writes the distribution column.
"""

from decimal import Decimal
from typing import Any

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model


class NumericField(fields.DecimalField[Decimal]):
    """PostgreSQL's unbounded numeric: unlike its parent it does not round."""

    SQL_TYPE = "NUMERIC"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=131072, decimal_places=0, **kwargs)

    def to_python_value(self, value: Any) -> Decimal | None:
        return None if value is None else Decimal(value)

    def to_db_value(self, value: Any, instance: Any) -> Decimal | None:
        return None if value is None else Decimal(value)


class Account(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.TextField()
    hide_carriers = fields.BooleanField(default=False)
    invoice_grouping = fields.TextField(default="DAY")
    language = fields.TextField(default="en")
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "accounts"


class Login(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    email = fields.TextField()
    password_hash = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    disabled_at = fields.DatetimeField(null=True)
    totp_secret = fields.BinaryField(null=True)
    totp_confirmed_at = fields.DatetimeField(null=True)
    totp_last_step = fields.BigIntField(default=0)

    class Meta:
        table = "logins"


class Staff(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    login_id = fields.BigIntField()
    name = fields.TextField()
    role = fields.TextField()
    email_verified_at = fields.DatetimeField(null=True)
    mobile = fields.TextField(null=True)
    mobile_verified_at = fields.DatetimeField(null=True)
    language = fields.TextField(default="en")
    time_zone = fields.TextField(default="UTC")
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "staff"


class Customer(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    reference = fields.TextField()
    name = fields.TextField()
    currency = fields.TextField()
    status = fields.TextField(default="ACTIVE")
    channel_limit = fields.BigIntField(null=True)
    debit_limit = NumericField(default=Decimal(0))
    tax_percent = NumericField(default=Decimal(0))
    legal_name = fields.TextField(null=True)
    street = fields.TextField(null=True)
    postal_code = fields.TextField(null=True)
    city = fields.TextField(null=True)
    country = fields.TextField(null=True)
    tax_number = fields.TextField(null=True)
    billing_email = fields.TextField(null=True)
    phone = fields.TextField(null=True)
    website = fields.TextField(null=True)
    language = fields.TextField(default="en")
    payment_days = fields.IntField(default=14)
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "customers"


class Contact(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    customer_id = fields.BigIntField()
    login_id = fields.BigIntField()
    name = fields.TextField()
    email = fields.TextField()
    mobile = fields.TextField(null=True)
    email_verified_at = fields.DatetimeField(null=True)
    mobile_verified_at = fields.DatetimeField(null=True)
    department = fields.TextField(null=True)
    phone = fields.TextField(null=True)
    notes = fields.TextField(null=True)
    language = fields.TextField(default="en")
    time_zone = fields.TextField(default="UTC")
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "contacts"


class Carrier(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    reference = fields.TextField()
    name = fields.TextField()
    currency = fields.TextField()
    sip_uri = fields.TextField(null=True)
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()

    class Meta:
        table = "carriers"


class ApiKey(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    name = fields.TextField()
    scopes: ArrayField = ArrayField(element_type="text")
    customer_id = fields.BigIntField(null=True)
    secret_hash = fields.BinaryField()
    prefix = fields.TextField(default="")
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_keys"


class Session(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    login_id = fields.BigIntField()
    secret_hash = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    ends_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    user_agent = fields.TextField(null=True)
    staff_id = fields.BigIntField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "sessions"


class AlertRule(Model):
    """models/alerting/alert_states.py reads and writes its state, such as `raised_at`."""

    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    title = fields.TextField()
    metric = fields.TextField()
    customer_id = fields.BigIntField(null=True)
    carrier_id = fields.BigIntField(null=True)
    operator = fields.TextField()
    threshold = NumericField()
    reset_threshold = NumericField()
    sample_minutes = fields.IntField(null=True)
    minimum_sample = fields.BigIntField()
    cool_down_seconds = fields.BigIntField()
    repeat_seconds = fields.BigIntField(null=True)
    level = fields.TextField()
    recipients: Any = fields.JSONField()
    version = fields.BigIntField(default=1)
    created_at = fields.DatetimeField()
    removed_at = fields.DatetimeField(null=True)
    raised_at = fields.DatetimeField(null=True)

    class Meta:
        table = "alert_rules"
