"""The log of the service itself, and the bridge from Python's ``logging`` into the logs of jobs.

A record that is made while a job runs, by a library or by a worker that uses ``logging``, becomes a line of that job.
Every other record goes to standard error through structlog. Code outside of jobs never guesses a job.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from quaero.model.log import LogLevel
from quaero.queue.context import current_job
from quaero.queue.masking import Masker

_FORMATTER = logging.Formatter()


class JobHandler(logging.Handler):
    """Puts records made inside a job into that job's log; leaves all others alone."""

    def emit(self, record: logging.LogRecord) -> None:
        job = current_job()
        if job is None:
            return
        try:
            message, fields = _content(record)
        except Exception:  # noqa: BLE001 - the caller's format string and arguments; logging's own way to tell
            self.handleError(record)
            return
        job.log.emit(_level(record.levelno), message, fields)


def stdlib_handler() -> logging.Handler:
    """For ``logging.getLogger().addHandler``: the bridge into the logs of jobs."""
    return JobHandler()


def configure_service_log(
    level: str = "info", *, json: bool = False, masker: Masker | None = None, stream: TextIO | None = None
) -> None:
    """Send ``logging`` and structlog, from ``level`` up, to ``stream`` (standard error), and to jobs by the bridge.

    Replaces the handlers of the root logger. ``json``: one object per line, for machines; else coloured text on a
    terminal.
    """
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    console = logging.StreamHandler(stream)
    console.addFilter(lambda record: current_job() is None)
    console.setFormatter(_formatter(shared, json=json, masker=masker, colors=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [stdlib_handler(), console]
    root.setLevel(level.upper())


def _formatter(shared: list[Any], *, json: bool, masker: Masker | None, colors: bool) -> logging.Formatter:
    def masked(_logger: Any, _name: str, event: Any) -> Any:
        return event if masker is None else masker.value(dict(event))

    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            masked,
            renderer,
        ],
    )


def _content(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    fields: dict[str, Any]
    if isinstance(record.msg, dict):  # structlog's event, on its way to the formatter
        fields = {key: value for key, value in record.msg.items() if key not in _OWN}
        message = str(record.msg.get("event", ""))
    else:
        fields, message = {}, record.getMessage()
    fields["logger"] = record.name
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        fields["traceback"] = _FORMATTER.formatException(record.exc_info)
    return message, fields


_OWN = frozenset({"event", "level", "timestamp", "exc_info", "_record", "_from_structlog"})


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARNING
    return LogLevel.INFO if number >= logging.INFO else LogLevel.DEBUG
