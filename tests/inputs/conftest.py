"""These tests share one web process; each creates an account and reads only its data."""

from tests.support.api.fixtures import (  # noqa: F401
    _own_tries,
    api,
    api_database,
    api_redis,
    carrier,
    case_counts,
    customer,
    environment,
    everything,
    http,
    other,
    reference,
    server,
    switch,
)
