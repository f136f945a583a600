"""The supported languages."""

import strawberry

from domain.messaging import texts
from resolvers.access import Identity
from schema.engine import permissions


@permissions.open_type
@strawberry.type(description="A language of messages.")
class Language:
    code: str = strawberry.field(
        description="BCP 47 tag, such as de. Pass it as `language` in inputs."
    )
    name: str = strawberry.field(
        description="Name in the language itself, such as Deutsch, for menus."
    )


@strawberry.type
class LanguageQuery:
    @permissions.field(
        requires=Identity.NONE,
        description=(
            "The available languages of refusals, checklists, messages and invoices. A person is"
            " addressed in the person's language, a key in the account's, and an unauthenticated"
            " caller in the language that Accept-Language prefers."
        ),
    )
    def languages(self) -> list[Language]:
        return [Language(code=code, name=texts.native_name(code)) for code in texts.LANGUAGES]
