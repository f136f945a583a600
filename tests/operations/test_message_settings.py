"""The settings of mail and text messages, and the report of `doctor`."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from runtime import mail
from runtime.settings import ROOT, Settings
from tests.support import message_servers


def make_settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", mail.Server("mail.example", 587)),
        ("smtp://mail.example:25?starttls=never", mail.Server("mail.example", 25, starttls=False)),
        (
            "smtp://a%40b:p%3Aw@mail.example",
            mail.Server("mail.example", 587, "a@b", "p:w", starttls=True),
        ),
        (
            "smtp://a:b@mail.example?starttls=auto",
            mail.Server("mail.example", 587, "a", "b", starttls=None),
        ),
        ("smtps://mail.example", mail.Server("mail.example", 465, tls=True, starttls=False)),
    ],
)
def test_the_url_of_a_mail_server_defines_how_to_connect(url: str, server: mail.Server) -> None:
    assert mail.Server.of(url) == server
    assert "p:w" not in repr(mail.Server.of(url))


@pytest.mark.parametrize(
    ("values", "at_fault"),
    [
        ({"smtp_url": "http://very-secret", "mail_from": "a@b.example"}, "smtp_url"),
        ({"smtp_url": "smtp://very-secret:a@", "mail_from": "a@b.example"}, "smtp_url"),
        ({"smtp_url": "smtp://a?starttls=very-secret", "mail_from": "a@b.example"}, "smtp_url"),
        ({"smtp_url": "smtp://a?very-secret=1", "mail_from": "a@b.example"}, "smtp_url"),
        ({"smtp_url": "smtp://a"}, "mail_from"),
        ({"mail_from": "very-secret"}, "mail_from"),
        ({"mail_from": "A <a@b.example>, very-secret <c@d.example>"}, "mail_from"),
        ({"sms_url": "ftp://very-secret"}, "sms_url"),
        ({"sms_headers": "very-secret"}, "sms_headers"),
        ({"sms_headers": '{"very-secret": 1}'}, "sms_headers"),
        ({"sms_headers": '{"Content-Type": "text/very-secret"}'}, "sms_headers"),
        ({"sms_body": '{"to": "{to}", "very-secret": 1}'}, "sms_body"),
        ({"sms_body": '{"text": "{text}", "very-secret": 1}'}, "sms_body"),
        ({"sms_body": "very-secret={to}&text={text}"}, "sms_body"),
    ],
)
def test_an_invalid_setting_is_refused_at_start_without_showing_it(
    values: dict[str, str], at_fault: str
) -> None:
    with pytest.raises(ValidationError) as error:
        make_settings(**values)
    [fault] = error.value.errors()
    assert fault["loc"] == (at_fault,)
    assert "very-secret" not in fault["msg"]


def test_links_use_the_public_url_with_one_slash() -> None:
    assert (
        make_settings(public_url="https://portal.example/").public_url == "https://portal.example"
    )


async def test_doctor_reports_whether_mail_and_text_messages_can_be_sent(tmp_path: Any) -> None:
    findings = await _doctor(tmp_path)
    assert findings["e-mail"][0] == findings["SMS"][0] == "note"
    assert "CALLBOARD_SMTP_URL" in findings["e-mail"][1]
    assert "CALLBOARD_SMS_URL" in findings["SMS"][1]
    async with message_servers.mail_server() as server:
        settings = {
            "CALLBOARD_SMTP_URL": f"{server.url}?starttls=never",
            "CALLBOARD_MAIL_FROM": "portal@voice.example",
            "CALLBOARD_SMS_URL": "https://me:very-secret@sms.example/x",
        }
        findings = await _doctor(tmp_path, **settings)
        assert findings["e-mail"][0] == findings["SMS"][0] == "good"
        assert "very-secret" not in str(findings)
        assert server.letters == []
    assert (await _doctor(tmp_path, **settings))["e-mail"][0] == "bad"


async def _doctor(folder: Any, **environment: str) -> dict[str, tuple[str, str]]:
    """The findings, by subject; neither database nor Redis is available."""
    nowhere = {
        "CALLBOARD_DATABASE_URL": "postgres://127.0.0.1:9/none",
        "CALLBOARD_REDIS_URL": "redis://127.0.0.1:9",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", "doctor", "--json"),
        *("--data-dir", str(folder)),
        env={**os.environ, "PYTHONPATH": str(ROOT), **nowhere, **environment},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return {
        finding["subject"]: (finding["state"], finding["detail"]) for finding in json.loads(out)
    }
