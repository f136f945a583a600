"""One line of the report of `doctor`."""

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`bad` is an error, `note` a remark; `detail` of both says what to do."""

    state: State
    subject: str
    detail: str
