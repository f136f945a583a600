"""Parts of answers that are cached as JSON: declaration, coverage, storage and use."""
