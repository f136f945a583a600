import graphql
import pytest
import queries

from schema import root


@pytest.mark.parametrize("document", queries.ALL, ids=lambda text: text.split("(")[0].split()[1])
def test_the_schema_answers_every_document_of_the_design(document: str) -> None:
    assert graphql.validate(root.api._schema, graphql.parse(document)) == []
