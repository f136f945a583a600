"""The pages behind links: what they say, and how one is used."""

from collections.abc import Callable
from dataclasses import dataclass

from chromium import Window
from portal import Carrier

Opened = Callable[..., Window]
NEW = "another horse battery"


@dataclass(frozen=True)
class Said:
    heading: str
    button: str
    done: str


KINDS = ["invitation", "reset", "verification"]
SAID = {
    ("invitation", "en"): Said(
        "Accept the invitation", "Accept the invitation", "Welcome. You can sign in now."
    ),
    ("invitation", "de"): Said(
        "Einladung annehmen", "Einladung annehmen", "Willkommen. Sie können sich jetzt anmelden."
    ),
    ("invitation", "es"): Said(
        "Aceptar la invitación",
        "Aceptar la invitación",
        "Le damos la bienvenida. Ya puede iniciar sesión.",
    ),
    ("reset", "en"): Said(
        "Choose a new password", "Set the password", "Your password is changed. Sign in with it."
    ),
    ("reset", "de"): Said(
        "Neues Passwort wählen",
        "Passwort festlegen",
        "Ihr Passwort ist geändert. Melden Sie sich damit an.",
    ),
    ("reset", "es"): Said(
        "Elegir una contraseña nueva",
        "Establecer la contraseña",
        "Su contraseña ha cambiado. Inicie sesión con ella.",
    ),
    ("verification", "en"): Said(
        "Verify your e-mail address",
        "Verify the address",
        "Your e-mail address is verified. You can close this page.",
    ),
    ("verification", "de"): Said(
        "E-Mail-Adresse bestätigen",
        "Adresse bestätigen",
        "Ihre E-Mail-Adresse ist bestätigt. Sie können diese Seite schließen.",
    ),
    ("verification", "es"): Said(
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
NO_LINK = "Open this page by the link in the message that you were sent."
NOT_GOOD = "This link was used already or is too old; ask for a new one."
BAD = (
    "This link is good no more: it is too old, a newer one was sent, or the address has changed"
    " since. Sign in and request a new one."
)


async def link_of(carrier: Carrier, kind: str, language: str = "en") -> tuple[str, str]:
    """A person's e-mail, and the link of that kind that it was sent."""
    made: tuple[str, str] = await getattr(carrier, kind)(language)
    return made


def use(window: Window, kind: str, password: str = NEW, language: str = "en") -> str:
    """What the page says of that."""
    if kind != "verification":
        window.fill(LABEL[language], password)
    window.click(SAID[kind, language].button)
    return window.said()
