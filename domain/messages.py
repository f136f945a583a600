"""What is sent to people, and how."""

from enum import StrEnum


class Channel(StrEnum):
    EMAIL = "EMAIL"
    SMS = "SMS"


class Kind(StrEnum):
    VERIFY_EMAIL = "VERIFY_EMAIL"
    VERIFY_MOBILE = "VERIFY_MOBILE"
    RESET_PASSWORD = "RESET_PASSWORD"
    INVITATION = "INVITATION"


CHANNEL: dict[Kind, Channel] = {
    Kind.VERIFY_EMAIL: Channel.EMAIL,
    Kind.VERIFY_MOBILE: Channel.SMS,
    Kind.RESET_PASSWORD: Channel.EMAIL,
    Kind.INVITATION: Channel.EMAIL,
}
