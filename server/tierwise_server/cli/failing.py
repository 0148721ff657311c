"""How commands fail: one clear line per fault on standard error, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import tierwise_client
from tierwise_server.errors import ConfigurationError, TierwiseError

FAILED: Final = 1
"""The command ran and failed."""

MISUSED: Final = 2
"""The command could not run as it was called or configured."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn the failures that users can do something about into lines and an exit code."""
    try:
        yield
    except ConfigurationError as error:
        for fault in error.faults:
            say(str(fault))
        raise SystemExit(MISUSED) from None
    except (tierwise_client.TierwiseError, TierwiseError) as error:
        say(str(error))
        raise SystemExit(FAILED) from None
    except (OSError, ValueError) as error:
        say(str(error))
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def say(line: str) -> None:
    """Say something to the person at the terminal, apart from what the command prints."""
    sys.stderr.write(f"tierwise: {line}\n")
    sys.stderr.flush()
