"""The pages behind links: their texts and their use."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.browser.chromium import Window
from tests.support.browser.portal import Carrier

Opened = Callable[..., Window]
NEW = "another horse battery"


@dataclass(frozen=True)
class PageTexts:
    heading: str
    button: str
    done: str


KINDS = ["invitation", "reset", "verification"]
SAID = {
    ("invitation", "en"): PageTexts(
        "Accept the invitation",
        "Accept the invitation",
        "Your password is set. You can sign in now.",
    ),
    ("invitation", "de"): PageTexts(
        "Einladung annehmen",
        "Einladung annehmen",
        "Ihr Passwort ist gesetzt. Sie können sich jetzt anmelden.",
    ),
    ("invitation", "es"): PageTexts(
        "Aceptar la invitación",
        "Aceptar la invitación",
        "Su contraseña está establecida. Ya puede iniciar sesión.",
    ),
    ("reset", "en"): PageTexts(
        "Choose a new password",
        "Set the password",
        "The password was changed. Sign in with the new password.",
    ),
    ("reset", "de"): PageTexts(
        "Neues Passwort wählen",
        "Passwort festlegen",
        "Das Passwort wurde geändert. Melden Sie sich mit dem neuen Passwort an.",
    ),
    ("reset", "es"): PageTexts(
        "Elegir una contraseña nueva",
        "Establecer la contraseña",
        "La contraseña se ha cambiado. Inicie sesión con la contraseña nueva.",
    ),
    ("verification", "en"): PageTexts(
        "Verify your e-mail address",
        "Verify the address",
        "Your e-mail address is verified. You can close this page.",
    ),
    ("verification", "de"): PageTexts(
        "E-Mail-Adresse bestätigen",
        "Adresse bestätigen",
        "Ihre E-Mail-Adresse ist bestätigt. Sie können diese Seite schließen.",
    ),
    ("verification", "es"): PageTexts(
        "Verificar la dirección de correo electrónico",
        "Verificar la dirección",
        "Su dirección de correo electrónico está verificada. Puede cerrar esta página.",
    ),
}
LABEL = {
    "en": "New password, at least 10 characters",
    "de": "Neues Passwort, mindestens 10 Zeichen",
    "es": "Contraseña nueva, al menos 10 caracteres",
}
NO_LINK = "To use this page, open the link in the message that you received."
NOT_GOOD = (
    "This link has already been used or has expired. If you have set a password, sign in with your"
    " e-mail address and that password. Otherwise, request a new link."
)
VERIFIED = "Your e-mail address is already verified. Sign in with it and your password."
BAD = (
    "This link is no longer valid: it has expired, a newer link was sent, or the address has"
    " changed. Sign in and request a new link."
)


async def link_of(carrier: Carrier, kind: str, language: str = "en") -> tuple[str, str]:
    """A person's e-mail, and the link of that kind that it was sent."""
    link: tuple[str, str] = await getattr(carrier, kind)(language)
    return link


def use(window: Window, kind: str, password: str = NEW, language: str = "en") -> str:
    """The page's message about the result."""
    if kind != "verification":
        window.fill(LABEL[language], password)
    window.click(SAID[kind, language].button)
    return window.said()
