"""Log lines: how they look, and which request they belong to.

Every line goes to standard error: plain for a person, or one JSON object (RFC 8259) a line for a
program, with ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message`` and ``process``. Where a
line is about a request there is its ``request_id``, and where that is over also ``method``,
``route``, ``status`` (0: nobody waited for the answer) and ``duration_ms``.

No line ever holds what an exception says: a statement's parameters stand there, and those may be an
opening. What is told of one is its type and the lines of code that it passed.
"""

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

REQUEST: Final[ContextVar[str | None]] = ContextVar("request", default=None)
"""The id of the request that is being answered here; threads that it starts work in get it too."""

Format = Literal["plain", "json"]
FIELDS: Final = "fields"
"""The attribute of a record with more fields: ``log.info(..., extra={FIELDS: {...}})``."""
MOST_NAMED: Final = 16
"""How many requests a line about a batch names."""

CHATTY: Final = ("alembic", "apscheduler", "httpx", "httpcore")
"""Libraries whose ordinary lines tell an operator nothing, or hold whole addresses."""
QUOTING: Final = frozenset({"asyncio"})
"""Loggers that quote an exception, or what failed, from the second line on."""
GRANIAN: Final[Mapping[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {
        name: {"handlers": [], "level": "WARNING", "propagate": True}
        for name in ("_granian", "granian.access")
    },
}
"""What the HTTP server is told, so that its lines are among all others and look like them."""


_LEVELS: Final = (
    (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7),
)  # fmt: skip
"""sd-daemon(3): what the journal calls a line of at least a level; it takes the number away."""


class _Plain(logging.Formatter):
    """``time LEVEL logger: message``; whatever goes on in another line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        request = request_of(record)
        told = f" [request {request}]" if request else ""
        text = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}{told}"
        # Nothing that somebody made up can look like a line of its own.
        return "\n  ".join(_printable(line) for line in f"{text}{_failed(record)}".split("\n"))


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": f"{_message(record)}{_failed(record)}",
            "process": record.process,
        }
        request = request_of(record)
        if request:
            line["request_id"] = request
        line.update(getattr(record, FIELDS, {}))
        return json.dumps(line, default=str)


class _Stream(logging.StreamHandler[TextIO]):
    """Standard error. The journal of systemd is told how serious a line is, so that it can ask."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._to_journal = _is_journal(stream)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._to_journal:
            return text
        level = next(number for least, number in _LEVELS if record.levelno >= least)
        return "\n".join(f"<{level}>{line}" for line in text.split("\n"))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that a line was lost; the library would print what it was about."""
        if sys.exc_info()[0] is not None and sys.stderr is not None:
            self.stream.write(f"a line of {record.name} could not be written\n")


def start(level: str, form: Format) -> None:
    """Send lines of ``level`` and worse to standard error; may be called again."""
    handler = _Stream(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Plain())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def is_json() -> bool:
    """Whether lines are for programs, so that nothing else may stand between them."""
    return any(isinstance(each.formatter, _Json) for each in logging.getLogger().handlers)


def guard() -> None:
    """Log what no one caught, in this process, like everything else: its type alone."""
    log = logging.getLogger(__name__)

    def in_thread(given: threading.ExceptHookArgs) -> None:
        name = given.thread.name if given.thread is not None else "?"
        log.critical("the thread %s ended%s", name, _passed(given.exc_type, given.exc_traceback))

    def in_process(
        kind: type[BaseException], _error: BaseException, trace: TracebackType | None
    ) -> None:
        log.critical("the process ends%s", _passed(kind, trace))

    threading.excepthook = in_thread
    sys.excepthook = in_process
    logging.captureWarnings(capture=True)


def request_of(record: logging.LogRecord) -> str | None:
    """The request that a line is about, or the first ones of a batch, with commas between them."""
    request: str | None = getattr(record, "request", None)
    return request or REQUEST.get()


def named(requests: Iterable[str | None]) -> str | None:
    """The ids of several requests as one, with commas between them: the first ones, each once."""
    given = dict.fromkeys(part for each in requests if each for part in each.split(","))
    if len(given) > MOST_NAMED:
        return ",".join([*list(given)[:MOST_NAMED], f"+{len(given) - MOST_NAMED}"])
    return ",".join(given) or None


def about(requests: Iterable[str | None]) -> dict[str, str | None]:
    """The ``extra`` of a line about several requests."""
    return {"request": named(requests)}


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd says that its journal reads what this stream writes."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    return text.split("\n", 1)[0] if record.name in QUOTING else text


def _failed(record: logging.LogRecord) -> str:
    kind, _, trace = record.exc_info or (None, None, None)
    return "" if kind is None else _passed(kind, trace)


def _passed(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    name = "?" if kind is None else kind.__qualname__
    lines = "".join(traceback.format_tb(trace)).rstrip("\n")
    return f": {name}\n{lines}" if lines else f": {name}"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
