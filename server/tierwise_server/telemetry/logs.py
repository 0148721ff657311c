"""Log lines: one JSON object each, on standard error.

Every line has timestamp, level and event, and inside a call over gRPC trace_id and span_id. Lines of the standard
library's logging (grpc, aiohttp, httpx2, the OpenTelemetry SDK) look the same. What must never be in a log is kept
out here, for every line: credentials (telemetry/redaction.py), prompts and answers. The text of an exception may quote
a request, so only exceptions known not to are quoted; of others the type and the place are logged.
"""

from __future__ import annotations

import atexit
import datetime
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from tierwise_server.errors import TierwiseError
from tierwise_server.telemetry.log_sink import Line, LogSink
from tierwise_server.telemetry.redaction import safe_value, without_credentials

LEVELS: Final = ("debug", "info", "warning", "error")

_FOREIGN_LEVEL: Final = logging.WARNING
"""Libraries say less: at lower levels the Anthropic SDK logs whole requests, and httpx2 a line for each."""
_LOUDEST_ONLY: Final = (
    "opentelemetry.trace.span",
    "opentelemetry.trace.propagation.tracecontext",
)
"""Loggers that warn of what callers send, which callers could use to fill the log."""
_POINTLESS: Final = "Exporter already shutdown"
"""What the SDK says of its own second attempt to close an exporter that was cut off."""
_REPEAT_AFTER_S: Final = 60.0
_MOST_REMEMBERED: Final = 256
_QUOTABLE: Final = (TierwiseError, OSError)
_MOST_FRAMES: Final = 24
_MOST_CAUSES: Final = 4
_CLOSE_S: Final = 1.0
_UNCHANGING: Final = frozenset({str, int, float, bool, type(None)})

_trace: ContextVar[tuple[str, str] | None] = ContextVar("tierwise_trace", default=None)
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def bind_trace(trace_id: str, span_id: str) -> None:
    """Put these ids on the log lines of this task, and of those it starts from now on."""
    _trace.set((trace_id, span_id))


class Logging:
    """What `configure_logging` set up. Close it to write what waits and put things back as they were."""

    def __init__(self, sink: LogSink, undo: Callable[[], None]) -> None:
        self._sink = sink
        self._undo = undo
        self._closed = False
        atexit.register(self.close)

    @property
    def dropped_lines(self) -> int:
        """Lines lost because the stream did not take them."""
        return self._sink.dropped

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Write what waits, for at most `timeout_s`. Only the first call counts."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._undo()
        self._sink.close(timeout_s)


def configure_logging(
    level: str = "info", *, stream: TextIO | None = None, quote_exceptions: bool = False
) -> Logging:
    """Send every log line of this process to `stream` (standard error by default) as JSON.

    Args:
        level: one of LEVELS, in any case; libraries are held to warnings whatever it says.
        stream: stays the caller's to close. It is written in a thread, so a stream that blocks makes nobody wait.
        quote_exceptions: log the text of every exception. It may hold parts of prompts.

    Raises:
        ValueError: there is no such level.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"there is no log level {level!r}; the levels are {', '.join(LEVELS)}")
    sink = LogSink(stream if stream is not None else sys.stderr)
    render = Renderer(quote_exceptions=quote_exceptions)
    undo = _route_stdlib(_Handler(sink, render), level)
    structlog.configure(
        processors=[structlog.processors.add_log_level, render.event],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for a logger at every line, structlog's way of noticing that it was configured anew.
        logger_factory=lru_cache(maxsize=64)(lambda *names: _SinkLogger(sink, *names)),
        cache_logger_on_first_use=False,
    )

    def put_back() -> None:
        undo()
        structlog.reset_defaults()

    return Logging(sink, put_back)


class Renderer:
    """Makes the line of an event."""

    def __init__(self, *, quote_exceptions: bool = False) -> None:
        self._quote = quote_exceptions

    def event(
        self, logger: Any, _: str, event: MutableMapping[str, Any]
    ) -> tuple[tuple[Line], dict[str, Any]]:
        """Render an event of structlog: at once, or later where what it holds cannot change."""
        level = str(event.pop("level", ""))
        text = str(event.pop("event", ""))
        name = str(event.pop("logger", getattr(logger, "name", "")))
        info = exc_info_of(event.pop("exc_info", None))
        now_s, ids = time.time(), _trace.get()  # noqa: TID251 - shown to people, never subtracted
        line = partial(self._line, level, name, text, event, info, now_s, ids)
        if info is None and _UNCHANGING.issuperset(map(type, event.values())):
            return (line,), {}
        return (line(),), {}

    def line(
        self, level: str, logger: str, text: str, fields: Mapping[str, Any], info: _ExcInfo | None
    ) -> str:
        """Make one line, without its newline."""
        now_s = time.time()  # noqa: TID251 - shown to people, never subtracted
        return self._line(level, logger, text, fields, info, now_s, _trace.get())

    def _line(
        self,
        level: str,
        logger: str,
        text: str,
        fields: Mapping[str, Any],
        info: _ExcInfo | None,
        now_s: float,
        ids: tuple[str, str] | None,
    ) -> str:
        now = datetime.datetime.fromtimestamp(now_s, datetime.UTC)
        entry: dict[str, object] = {
            "timestamp": now.isoformat(timespec="microseconds"),
            "level": level,
            "event": safe_value("event", text),
        }
        if logger:
            entry["logger"] = logger
        if ids is not None:
            entry["trace_id"], entry["span_id"] = ids
        for key, value in fields.items():
            entry.setdefault(key, safe_value(key, value))
        if info is not None:
            entry["exception"] = self._exception(info[1])
        # DEL is the one control character that JSON leaves as it is.
        return without_credentials(_encode(entry).replace("\x7f", "\\u007f"))

    def _exception(self, error: BaseException, causes: int = _MOST_CAUSES) -> dict[str, object]:
        frames = traceback.extract_tb(error.__traceback__, limit=-_MOST_FRAMES)
        described: dict[str, object] = {
            "type": f"{type(error).__module__}.{type(error).__qualname__}",
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if self._quote or isinstance(error, _QUOTABLE):
            described["text"] = safe_value("", str(error))
        if isinstance(error, BaseExceptionGroup) and causes:
            described["group"] = [self._exception(e, causes - 1) for e in error.exceptions[:8]]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None and causes:
            described["cause"] = self._exception(cause, causes - 1)
        return described


def exc_info_of(given: object) -> _ExcInfo | None:
    """What structlog's and logging's `exc_info` may be, as the exception it means."""
    if isinstance(given, BaseException):
        return (type(given), given, given.__traceback__)
    if isinstance(given, tuple) and len(given) == 3 and isinstance(given[1], BaseException):
        return (type(given[1]), given[1], given[2])
    if given and not isinstance(given, tuple):
        current = sys.exc_info()
        return current if current[1] is not None else None
    return None


class _SinkLogger:
    """What structlog calls at the end of its chain."""

    def __init__(self, sink: LogSink, name: str = "") -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = sink.write
        self.msg = self.log = self.exception = self.fatal = self.warn = sink.write


class _Handler(logging.Handler):
    """Sends records of the standard library's logging the same way."""

    def __init__(self, sink: LogSink, render: Renderer) -> None:
        super().__init__()
        self._sink = sink
        self._render = render
        self.addFilter(_Quiet())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A record that cannot be formatted is named, and nothing raises."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)
        info = exc_info_of(record.exc_info)
        self._sink.write(self._render.line(record.levelname.lower(), record.name, text, {}, info))


class _Quiet(logging.Filter):
    """Holds libraries to warnings, and each of OpenTelemetry's complaints to once a minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said_s: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.name.startswith("tierwise"):
            return True
        if record.levelno < _FOREIGN_LEVEL:
            return False
        if not record.name.startswith("opentelemetry"):
            return True
        if str(record.msg).startswith(_POINTLESS):
            return False
        now, key = self._monotonic(), (record.name, record.msg)
        if now - self._said_s.get(key, float("-inf")) < _REPEAT_AFTER_S:
            return False
        if len(self._said_s) >= _MOST_REMEMBERED:
            self._said_s.clear()
        self._said_s[key] = now
        return True


def _route_stdlib(handler: logging.Handler, level: str) -> Callable[[], None]:
    """Make the handler the only one; answers with what undoes it."""
    root, own = logging.getLogger(), logging.getLogger("tierwise")
    before = (root.handlers[:], root.level, own.level)
    loud = [(logging.getLogger(name), logging.getLogger(name).level) for name in _LOUDEST_ONLY]
    root.handlers[:] = [handler]
    root.setLevel(_FOREIGN_LEVEL)
    own.setLevel(level.upper())
    for logger, _ in loud:
        logger.setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)

    def undo() -> None:
        logging.captureWarnings(capture=False)
        root.handlers[:], level_before, own_before = before
        root.setLevel(level_before)
        own.setLevel(own_before)
        for logger, was in loud:
            logger.setLevel(was)

    return undo
