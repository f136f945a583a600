"""Settings: environment variables `CALLBOARD_*` or `.env`, each a line of docs/settings.md."""

from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime import mail, sms, webhooks

ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """Settings that cannot be used; names each and what it has to be, never its value."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CALLBOARD_", env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore"
    )

    database_url: str | None = Field(
        default=None, description="PostgreSQL 15+; none: the embedded one"
    )
    redis_url: str | None = Field(default=None, description="Redis 7+; none: the embedded one")
    secret_key: str | None = Field(
        default=None, min_length=32, description="for signing; none: made once and kept"
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="where people reach the portal"
    )
    trusted_proxies: str = Field(
        default="127.0.0.1,::1",
        description="addresses and networks whose X-Forwarded-For is believed, by commas",
    )
    session_idle_days: int = Field(
        default=14, ge=1, le=366, description="how long a session lasts without use, in days"
    )
    session_days: int = Field(
        default=90, ge=1, le=366, description="how long a contact's session lasts at most, in days"
    )
    staff_session_days: int = Field(
        default=14, ge=1, le=366, description="how long a session of staff lasts at most, in days"
    )
    database_pool: int = Field(
        default=10, ge=2, le=200, description="database connections a process"
    )
    records_days: int = Field(
        default=400, ge=1, description="how long call records are kept, in days"
    )
    review_days: int = Field(
        default=180,
        ge=1,
        description="how long undecided records keep the records of their day, in days",
    )
    partitions_ahead_days: int = Field(
        default=7, ge=1, description="partitions made ahead, in days"
    )
    sockets_per_key: int = Field(
        default=1_000, ge=1, description="WebSockets and event streams a token may hold, a process"
    )
    socket_operations: int = Field(
        default=100, ge=1, description="operations a WebSocket may run at once"
    )
    development: bool = Field(
        default=False, description="introspection, suggestions and GraphiQL for everybody"
    )
    documents: Path | None = Field(
        default=None, description="manifest of trusted documents, a JSON object by documentId"
    )
    documents_only: bool = Field(
        default=False, description="whether only documents of the manifest are run"
    )
    smtp_url: str | None = Field(
        default=None, repr=False, description="where e-mail is handed in; none: it waits"
    )
    mail_from: str | None = Field(
        default=None, validate_default=True, description="who e-mail is from"
    )
    sms_url: str | None = Field(
        default=None, repr=False, description="where text messages are posted; none: they wait"
    )
    sms_headers: str = Field(
        default="{}", repr=False, description="headers of that request, a JSON object"
    )
    sms_from: str = Field(default="", description="what {from} stands for in its body")
    sms_body: str = Field(
        default='{"to": "{to}", "from": "{from}", "text": "{text}"}',
        description="its body, a template",
    )
    webhook_networks: str = Field(
        default="",
        description="networks that webhooks may be posted to beside public addresses, by commas",
    )
    cost_capacity: int = Field(
        default=400_000, ge=20_000, description="what an account may spend at once on operations"
    )
    cost_per_second: int = Field(
        default=20_000, ge=1, description="how much of it comes back a second"
    )
    sip_realm: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,255}$",
        description="realm of SIP users; none: the host of the public URL",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least that is logged"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        """uvicorn would take what is none for the name of a socket, and `*` for everybody."""
        for one in value.split(","):
            ip_network(one.strip())
        return value

    @property
    def realm(self) -> str:
        """What SIP users sign in to, in their digests and in the switch's challenges."""
        return self.sip_realm or urlsplit(self.public_url).hostname or "callboard"

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")  # paths are added to it

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: str | None) -> str | None:
        if value is not None:
            mail.Server.of(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            mail.sender(value)
        elif info.data.get("smtp_url") is not None:
            raise ValueError("with CALLBOARD_SMTP_URL, give an address that mail is from")
        return value

    @field_validator("sms_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None:
            sms.check_url(value)
        return value

    @field_validator("sms_headers")
    @classmethod
    def _are_headers(cls, value: str) -> str:
        sms.read_headers(value)
        return value

    @field_validator("sms_body")
    @classmethod
    def _is_body(cls, value: str, info: ValidationInfo) -> str:
        headers = sms.read_headers(info.data.get("sms_headers", "{}"))
        sms.check_body(sms.Gateway("", headers, value, ""))
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _are_of_webhooks(cls, value: str) -> str:
        webhooks.read_networks(value)
        return value

    def environment(self) -> dict[str, str]:
        """These settings as the environment of another process of ours."""
        values = self.model_dump(exclude_unset=True, exclude_none=True)
        return {f"CALLBOARD_{name.upper()}": str(value) for name, value in values.items()}


@cache
def settings() -> Settings:
    """Raises `SettingsError`."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"CALLBOARD_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors()
        )
        raise SettingsError(f"{faults}. Settings: docs/settings.md") from None
