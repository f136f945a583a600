"""What a caller did wrong, said so that it can be put right."""

from domain import texts


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """An expected "no": a stable code, a sentence that says what to do, the field at fault.

    The sentence is a template, a literal, whose `{names}` the `values` fill (see `texts.Text`), or
    a Text; it is said in English here, and in the caller's language where it is answered.
    Everything else that is raised is masked and logged with an id.
    """

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

    def said(self, language: str, zone: str = "UTC") -> str:
        return self.text.said(language, zone)


def no_such(kind: str, field: str | None) -> Refusal:
    """Of what there is not, and in the same words of what is not for the caller. `kind` is the
    GraphQL type's name."""
    return Refusal(
        "NOT_FOUND", "There is no such {kind}; check its id.", field, kind=texts.Text(kind)
    )
