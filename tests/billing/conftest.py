import pytest

from tests.support.billing.books import Books, open_books


@pytest.fixture
async def books(database: str) -> Books:
    return await open_books()
