"""Trusted documents: those of a manifest, asked for by id; on demand no others are run."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLError

from domain import callers, refusals, texts
from runtime.settings import SettingsError
from schema import documents, errors, limits, root

_HASH = "sha256:"  # what some clients write before an id


class ManifestError(SettingsError):
    """A manifest that cannot be used, and what to do about it."""


class Documents:
    """Trusted documents by their ids; `only`: no other is run but our `own`, sent as they are."""

    def __init__(
        self, by_id: Mapping[str, str], *, only: bool = False, own: Collection[str] = ()
    ) -> None:
        self.only = only
        self._own = frozenset(own)
        self._by_id = {id.removeprefix(_HASH): text for id, text in by_id.items()}

    def __len__(self) -> int:
        return len(self._by_id)

    def resolve(self, query: str | None, document_id: str | None) -> str:
        """The document of a request; BAD_REQUEST, DOCUMENT_UNKNOWN or DOCUMENTS_ONLY."""
        if document_id is not None:
            if query is not None:
                raise refusals.Refusal(
                    "BAD_REQUEST", "Send either a `query` or a `documentId`, not both."
                )
            return self._known(document_id)
        if query is None:
            raise refusals.Refusal("BAD_REQUEST", "Send a `query` or a `documentId`.")
        if self.only and query not in self._own:
            raise refusals.Refusal(
                "DOCUMENTS_ONLY",
                "Only known documents are run here: send the `documentId` of one, and no `query`.",
                "query",
            )
        return query

    def _known(self, document_id: str) -> str:
        text = self._by_id.get(document_id.removeprefix(_HASH))
        if text is None:
            raise refusals.Refusal(
                "DOCUMENT_UNKNOWN",
                "No document has this id here: send it as `query`, or have it added to the"
                " manifest of the server (CALLBOARD_DOCUMENTS).",
                "documentId",
            )
        return text


def load(path: Path | None, *, only: bool = False, own: Collection[str] = ()) -> Documents:
    """The documents of a manifest, all validated; raises `ManifestError`."""
    if path is None:
        if only:
            raise ManifestError(
                "CALLBOARD_DOCUMENTS_ONLY needs a manifest: name it in CALLBOARD_DOCUMENTS"
            )
        return Documents({})
    by_id = _read(path)
    for id, text in by_id.items():
        _require_valid(path, id, text)
    return Documents(by_id, only=only, own=own)


def _read(path: Path) -> dict[str, str]:
    try:
        value: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(f"CALLBOARD_DOCUMENTS: {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _no_manifest(path) from error
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _no_manifest(path)
    return value


def _no_manifest(path: Path) -> ManifestError:
    return ManifestError(
        f"CALLBOARD_DOCUMENTS: {path} is not a JSON object of documents by their ids; write it"
        " anew with the client's code generator"
    )


def _require_valid(path: Path, id: str, text: str) -> None:
    try:
        faults = root.api.faults(documents.parsed(text, limits.LIMITS[callers.Kind.STAFF]))
    except GraphQLError as error:
        faults = [error]
    if faults:
        why = errors.told(faults[0], texts.DEFAULT).message
        raise ManifestError(
            f"CALLBOARD_DOCUMENTS: document {id} of {path} cannot be run: {why}"
            " Mend the client's document and write the manifest anew"
        )
