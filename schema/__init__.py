"""The GraphQL API. `schema.graphql` is its committed SDL; a test checks that it is current.

How to add a type
-----------------
1. Write it in the module of its subject, with `description=` on the type, every field and every
   argument (Strawberry ignores docstrings); give units. Build it by a classmethod `Type.of(value)`.
2. Counts, seconds, sequences: `base.Long`. Instants: `datetime`. Exact numbers: `Decimal` (written
   as a string). Money: `base.Money.of(amount, currency)`. Ratios: `float`, null without a
   denominator. Ids: `base.encode_id("Type", account_id, id)`; in the other direction
   `base.decode_id(given, "Type", caller.account_id)`, which returns UNKNOWN_ID for an id of another
   account.
3. A resolver gets `info: base.Info`; `info.context.signed_in()` is the caller, `info.context.now`
   the operation's instant, `info.context.clock()` a new one for a push. It decodes, calls
   `resolvers`, and wraps the result: no rule and no SQL here.
4. A list is `base.Connection[Type]` with `base.page_size`, `base.encode_cursor` and `base.paged`.
5. Who may call a field is declared on it: `permissions.field(requires=Capability.X, …)`, and
   `.mutation` and `.subscription`, for queries, mutations, subscriptions, and fields that not every
   caller who sees the object may see (`hidden=True`: null instead of a refusal). All other fields
   of such a type are `permissions.open_field`. A type without such fields has
   `@permissions.open_type` above its decorator.
6. A mutation takes one `input`, raises `domain.refusals.Refusal` to refuse, and returns

       DoThingResult = Annotated[
           Thing | base.Refused, strawberry.union("DoThingResult", description="…")
       ]

   A Refusal raised there becomes the union's member; raised elsewhere it is an error with
   `extensions.code`. A new code that is not about bad input is named in `base._TYPE_OF_CODE`.
7. Put the fields into a mixin (`@strawberry.type class StatsQuery:`) and name it in `root.py`;
   a type with an id also goes into `root.NODES`.
8. `python -m schema` renews `schema.graphql`.
"""
