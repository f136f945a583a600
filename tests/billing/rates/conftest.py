"""The ingest routes over real services, and a carrier that posts to them."""

from tests.support.records.fixtures import app, switch  # noqa: F401
