"""Settings: environment variables `CALLBOARD_*` or lines of `.env` (docs/settings.md)."""

from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain import budgets
from domain.identity import origins
from runtime import mail, sms, webhooks

ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """Invalid settings. The message names each setting and the problem, never its value."""


class Settings(BaseSettings):
    """All settings, with their defaults and limits."""

    model_config = SettingsConfigDict(
        env_prefix="CALLBOARD_", env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore"
    )

    database_url: str | None = Field(
        default=None, description="PostgreSQL 15 or newer; default: the embedded server"
    )
    redis_url: str | None = Field(
        default=None, description="Redis 7 or newer; default: the embedded server"
    )
    secret_key: str | None = Field(
        default=None,
        min_length=32,
        description="key for signatures; default: created once in the data folder",
    )
    public_url: str = Field(default="http://127.0.0.1:8000", description="URL of the portal")
    allowed_origins: str = Field(
        default="",
        description="other origins whose pages may use the API, separated by commas; default:"
        " none, in development those of this machine",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1,::1",
        description="proxies whose X-Forwarded-For is trusted: addresses and networks, separated by"
        " commas",
    )
    session_idle_days: int = Field(
        default=14, ge=1, le=366, description="days after which an unused session ends"
    )
    session_days: int = Field(
        default=90, ge=1, le=366, description="days after which a contact's session ends"
    )
    staff_session_days: int = Field(
        default=14, ge=1, le=366, description="days after which a session of staff ends"
    )
    database_pool: int = Field(
        default=10, ge=4, le=200, description="database connections per process"
    )
    expensive_at_once: int = Field(
        default=2,
        ge=1,
        le=100,
        description="expensive queries and mutations that a process runs at once",
    )
    answer_cache_megabytes: int = Field(
        default=64,
        ge=0,
        le=100_000,
        description="MB of a web process for parts of answers that have not changed; 0: none",
    )
    records_days: int = Field(
        default=400, ge=1, description="days for which call records are stored"
    )
    review_days: int = Field(
        default=180,
        ge=1,
        description="days for which an undecided record preserves the records of its day",
    )
    channel_minutes_days: int = Field(
        default=30,
        ge=8,  # `channelMinutes` sends minutes of the last 7 days
        description="days for which active calls are stored by minute",
    )
    partitions_ahead_days: int = Field(
        default=7, ge=1, description="days for which partitions are created in advance"
    )
    sockets_per_key: int = Field(
        default=1_000, ge=1, description="WebSockets and event streams per token and process"
    )
    socket_operations: int = Field(
        default=100, ge=1, description="operations that a WebSocket may run at once"
    )
    development: bool = Field(
        default=False,
        description="introspection and suggestions without authentication; access by pages of this"
        " machine",
    )
    documents: Path | None = Field(
        default=None, description="manifest of trusted documents: a JSON object by documentId"
    )
    documents_only: bool = Field(
        default=False, description="whether only documents of the manifest are accepted"
    )
    smtp_url: str | None = Field(
        default=None, repr=False, description="SMTP server; default: none, e-mail waits"
    )
    mail_from: str | None = Field(
        default=None, validate_default=True, description="sender of e-mail"
    )
    sms_url: str | None = Field(
        default=None,
        repr=False,
        description="URL to which text messages are posted; default: none, they wait",
    )
    sms_headers: str = Field(
        default="{}", repr=False, description="headers of that request: a JSON object"
    )
    sms_from: str = Field(default="", description="value of {from} in its body")
    sms_body: str = Field(
        default='{"to": "{to}", "from": "{from}", "text": "{text}"}',
        description="template of its body",
    )
    webhook_networks: str = Field(
        default="",
        description="networks that webhooks may use besides public addresses, separated by commas",
    )
    cost_capacity: int = Field(
        default=8_000_000,
        ge=budgets.MAX_COST,
        description="cost of operations that an account may spend at once",
    )
    cost_per_second: int = Field(
        default=80_000, ge=1, description="cost that an account regains per second"
    )
    cost_reserve: int | None = Field(
        default=None,
        ge=0,
        description="part of the account's capacity that only staff and billing keys may spend;"
        " default: a quarter",
    )
    customer_cost_capacity: int = Field(
        default=5_000_000,
        ge=budgets.MAX_COST,
        description="cost that the contacts and keys of one customer may spend at once",
    )
    customer_cost_per_second: int = Field(
        default=20_000, ge=1, description="cost that a customer regains per second"
    )
    token_cost_capacity: int = Field(
        default=2_500_000,
        ge=budgets.MAX_COST,
        description="cost that one API key or one login of staff may spend at once",
    )
    token_cost_per_second: int = Field(
        default=40_000,
        ge=1,
        description="cost that an API key or a login of staff regains per second",
    )
    sip_realm: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,255}$",
        description="realm of SIP users; default: the host of the public URL",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="lowest level that is logged"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        """uvicorn treats other values as names of sockets, and trusts every address for `*`."""
        for network in value.split(","):
            ip_network(network.strip())
        return value

    @field_validator("cost_reserve")
    @classmethod
    def _check_reserve(cls, value: int | None, info: ValidationInfo) -> int | None:
        limit = info.data.get("cost_capacity", 0) - budgets.MAX_COST
        if value is not None and "cost_capacity" in info.data and value > limit:
            raise ValueError(
                f"set at most CALLBOARD_COST_CAPACITY - {budgets.MAX_COST}, the maximum cost of one"
                " operation"
            )
        return value

    @property
    def allowances(self) -> budgets.Allowances:
        return budgets.Allowances(
            budgets.Allowance(self.cost_capacity, self.cost_per_second),
            budgets.Allowance(self.customer_cost_capacity, self.customer_cost_per_second),
            budgets.Allowance(self.token_cost_capacity, self.token_cost_per_second),
            self.cost_capacity // 4 if self.cost_reserve is None else self.cost_reserve,
        )

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        origins.parse(value)
        return value

    @property
    def origins(self) -> origins.AllowedOrigins:
        default = origins.DEVELOPMENT if self.development else ""
        return origins.parse(self.allowed_origins or default)

    @property
    def realm(self) -> str:
        """The realm of SIP users, in their digests and in the challenges of the switch."""
        return self.sip_realm or urlsplit(self.public_url).hostname or "callboard"

    @field_validator("public_url")
    @classmethod
    def _remove_slash(cls, value: str) -> str:
        return value.rstrip("/")  # paths are added to it

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: str | None) -> str | None:
        if value is not None:
            mail.Server.of(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            mail.parse_sender(value)
        elif info.data.get("smtp_url") is not None:
            raise ValueError("CALLBOARD_SMTP_URL requires the address of a sender")
        return value

    @field_validator("sms_url")
    @classmethod
    def _check_sms_url(cls, value: str | None) -> str | None:
        if value is not None:
            sms.check_url(value)
        return value

    @field_validator("sms_headers")
    @classmethod
    def _check_sms_headers(cls, value: str) -> str:
        sms.read_headers(value)
        return value

    @field_validator("sms_body")
    @classmethod
    def _check_sms_body(cls, value: str, info: ValidationInfo) -> str:
        headers = sms.read_headers(info.data.get("sms_headers", "{}"))
        sms.check_body(sms.Gateway("", headers, value, ""))
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _check_webhook_networks(cls, value: str) -> str:
        webhooks.read_networks(value)
        return value

    def environment(self) -> dict[str, str]:
        """These settings as the environment of another process."""
        values = self.model_dump(exclude_unset=True, exclude_none=True)
        return {f"CALLBOARD_{name.upper()}": str(value) for name, value in values.items()}


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises `SettingsError`."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"CALLBOARD_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
        )
        raise SettingsError(f"{problems}. Settings: docs/settings.md") from None
