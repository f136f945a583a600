"""GraphQL over HTTP and WebSocket: a thin view and handler on Strawberry's."""
