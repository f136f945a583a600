"""The worker's health: it touches a file while it runs its schedule."""

import asyncio
from pathlib import Path

_INTERVAL_SECONDS = 5.0


async def keep_touching(file: Path | None) -> None:
    """Touches the file until canceled. A worker that waits for Redis or the schema does not."""
    while True:
        if file is not None:
            await asyncio.to_thread(file.touch)
        await asyncio.sleep(_INTERVAL_SECONDS)
