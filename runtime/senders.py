"""What messages are sent by, as the settings have it."""

import structlog

from domain import messages
from domain.messages import Channel
from runtime import mail, sms, webhooks
from runtime.settings import Settings

log = structlog.get_logger("messages")


def of(settings: Settings) -> dict[Channel, messages.Send]:
    """A sender a channel; those without one wait. In development they are shown in the log.
    Webhooks need no more than their address."""
    found: dict[Channel, messages.Send] = {}
    if settings.development:
        found = dict.fromkeys(Channel, show)
    networks = webhooks.read_networks(settings.webhook_networks)
    found[Channel.WEBHOOK] = webhooks.Poster(settings.secret_key or "", networks).send
    if settings.smtp_url is not None and settings.mail_from is not None:
        server = mail.Server.of(settings.smtp_url)
        found[Channel.EMAIL] = mail.Mailer(server, mail.sender(settings.mail_from)).send
    if settings.sms_url is not None:
        headers = sms.read_headers(settings.sms_headers)
        gateway = sms.Gateway(settings.sms_url, headers, settings.sms_body, settings.sms_from)
        found[Channel.SMS] = gateway.send
    return found


async def show(letter: messages.Letter) -> None:
    log.warning(
        "message shown here, for it is not set up to be sent",
        channel=letter.channel,
        to=letter.recipient,
        subject=letter.subject,
        text=letter.text,
    )
