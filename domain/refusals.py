"""What a caller did wrong, said so that it can be put right."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """An expected "no": a stable code, a sentence that says what to do, the field at fault.

    Everything else that is raised is masked and logged with an id.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
