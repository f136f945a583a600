"""Refusals: expected errors that a caller can fix."""

from domain.messaging import texts


class Refusal(Exception):  # noqa: N818 - a response, not an error
    """An expected error: a stable code, a sentence with the problem and the remedy, and the field.

    The sentence is a literal template, whose `{names}` the `values` fill (see `texts.Text`), or a
    Text. `str()` is in English; the response is in the caller's language. Every other exception is
    masked and logged with an id.
    """

    retry_after_seconds: int | None = None  # the delay before a retry can succeed

    def __init__(
        self, code: str, template: str | texts.Text, field: str | None = None, **values: object
    ) -> None:
        super().__init__(code, template, field)
        self.code = code
        self.text = template if isinstance(template, texts.Text) else texts.Text(template, values)
        self.field = field

    def __str__(self) -> str:
        return str(self.text)

    @property
    def message(self) -> str:
        """In English, for programs and logs."""
        return str(self)

    def translate(self, language: str, zone: str = "UTC") -> str:
        return self.text.translate(language, zone)


def without_traceback(refusal: Refusal) -> Refusal:
    """For storing: the garbage collector would traverse the frames of a traceback."""
    refusal.__context__ = None
    return refusal.with_traceback(None)


class TemporaryRefusal(Refusal):
    """A refusal that ends after some seconds, `{seconds}` in its sentence."""

    def __init__(
        self,
        code: str,
        template: str | texts.Text,
        field: str | None = None,
        *,
        seconds: int,
        **values: object,
    ) -> None:
        super().__init__(code, template, field, seconds=seconds, **values)
        self.retry_after_seconds = seconds


def not_found(kind: str, field: str | None) -> Refusal:
    """The same refusal for a missing object and for one the caller may not see.

    `kind` is the name of the GraphQL type.
    """
    return Refusal(
        "NOT_FOUND", "No {kind} has this id. Check the id.", field, kind=texts.Text(kind)
    )
