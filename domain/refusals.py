"""What a caller did wrong, said so that it can be put right."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """An expected "no": a stable code, a sentence that says what to do, the field at fault.

    The sentence is a template; `values` fill its `{names}`, so that it can be said in another
    language. Everything else that is raised is masked and logged with an id.
    """

    def __init__(
        self, code: str, template: str, field: str | None = None, **values: object
    ) -> None:
        super().__init__(template.format(**values) if values else template)
        self.code = code
        self.template = template
        self.field = field
        self.values = values

    @property
    def message(self) -> str:
        return str(self)


def no_such(kind: str, field: str | None) -> Refusal:
    """Of what there is not, and in the same words of what is not for the caller. `kind` is the
    GraphQL type's name."""
    return Refusal("NOT_FOUND", "There is no such {kind}; check its id.", field, kind=kind)
