"""The senders of messages that the settings configure."""

import structlog

from domain.messaging import messages
from domain.messaging.messages import Channel
from runtime import mail, sms, webhooks
from runtime.settings import Settings

log = structlog.get_logger("messages")


def create(settings: Settings) -> dict[Channel, messages.Send]:
    """A sender for each configured channel; messages of other channels wait. In development, those
    are logged instead. Webhooks need no setting."""
    senders: dict[Channel, messages.Send] = {}
    if settings.development:
        senders = dict.fromkeys(Channel, log_message)
    networks = webhooks.read_networks(settings.webhook_networks)
    senders[Channel.WEBHOOK] = webhooks.WebhookSender(settings.secret_key or "", networks).send
    if settings.smtp_url is not None and settings.mail_from is not None:
        server = mail.Server.of(settings.smtp_url)
        senders[Channel.EMAIL] = mail.Mailer(server, mail.parse_sender(settings.mail_from)).send
    if settings.sms_url is not None:
        headers = sms.read_headers(settings.sms_headers)
        gateway = sms.Gateway(settings.sms_url, headers, settings.sms_body, settings.sms_from)
        senders[Channel.SMS] = gateway.send
    return senders


async def log_message(letter: messages.Letter) -> None:
    log.warning(
        "message logged because its channel is not configured",
        channel=letter.channel,
        to=letter.recipient,
        subject=letter.subject,
        text=letter.text,
    )
