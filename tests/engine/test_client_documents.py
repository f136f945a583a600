import graphql
import pytest

from schema import root
from tests.support import queries


@pytest.mark.parametrize("document", queries.ALL, ids=lambda text: text.split("(")[0].split()[1])
def test_the_schema_answers_every_client_document(document: str) -> None:
    assert graphql.validate(root.api._schema, graphql.parse(document)) == []
