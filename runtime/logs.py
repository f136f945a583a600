"""Logs: one line per event on stderr, colored on a terminal, otherwise JSON."""

import logging
import sys

import structlog

from models import faults


def configure(level: str) -> None:
    """Formats the records of structlog and of the standard library in the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_terminal = sys.stderr.isatty()
    renderer = (
        # Plain, because the rich one shows the values of local variables, which may be secret.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if is_terminal else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("tortoise").setLevel(logging.WARNING)  # it logs each shutdown
    # It reconnects by itself; models.availability logs whether the database is available.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    logging.getLogger("asyncio").addFilter(_is_relevant)
    for client in ("httpx2", "httpcore2"):  # they log URLs and headers, which may be secret
        logging.getLogger(client).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _is_relevant(record: logging.LogRecord) -> bool:
    """False for unawaited errors that asyncio logs after a lost connection to PostgreSQL."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return not record.getMessage().startswith("Resetting connection with an active transaction")
    is_of_driver = type(error).__module__.startswith("asyncpg")
    return not (is_of_driver and faults.as_unavailable(error))
