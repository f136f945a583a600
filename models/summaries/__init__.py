"""Hours, rollups, summaries, graphs and cells."""
