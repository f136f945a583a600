"""Messages to people: outbox, texts and languages."""
