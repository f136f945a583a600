"""The languages that people are told things in."""

import strawberry

from domain import texts


@strawberry.type(description="A language that messages are in.")
class Language:
    code: str = strawberry.field(description="BCP 47 tag, such as de; what a `language` input is.")
    name: str = strawberry.field(description="In itself, such as Deutsch; for a menu.")


@strawberry.type
class LanguageQuery:
    @strawberry.field(
        description="The languages there are: of refusals, checklists, messages sent and invoices."
        " A person is told everything in its own; a key in the account's; one not signed in, in"
        " what Accept-Language wants most. Answered to everybody."
    )
    def languages(self) -> list[Language]:
        return [Language(code=code, name=texts.own_name(code)) for code in texts.LANGUAGES]
