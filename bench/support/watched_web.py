"""The real web process, which also reports how long its event loop is blocked.

`GET /stalls` returns the longest block in milliseconds since the last request (of this thread's
processor time, and of the clock), and the longest garbage collection. Run: `python -m
bench.support.watched_web PORT`; the settings name the database and Redis.
"""

import asyncio
import gc
import sys
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.support import stall_meter
from runtime import logs
from runtime.settings import settings
from server.cli import serve


class Stalls:
    def __init__(self) -> None:
        self._found = stall_meter.Stalls()
        self._task: asyncio.Task[None] | None = None
        self._began = self._collected = 0.0
        gc.callbacks.append(self._collect)

    def _collect(self, phase: str, _: Any) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collected = max(self._collected, time.thread_time() - self._began)

    async def answer(self, _: Request) -> JSONResponse:
        if self._task is None:
            self._task = asyncio.create_task(self._found.watch())
        await asyncio.sleep(0.005)  # the stretch before this request ends
        figures = {
            "worked": max(self._found.worked, default=0.0),
            "passed": max(self._found.passed, default=0.0),
            "collected": self._collected * 1000,
            "total": sum(self._found.worked),
        }
        self._found.worked.clear()
        self._found.passed.clear()
        self._collected = 0.0
        return JSONResponse(figures)


def main(port: int) -> None:
    logs.configure("ERROR")
    config = serve.config(settings(), host="127.0.0.1", port=port)
    assert isinstance(config.app, Starlette)
    config.app.router.routes.append(Route("/stalls", Stalls().answer))
    serve.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
