"""The tierwise server.

The life of a request: grpc hands the bytes to rpc/guard.py, which opens the SERVER span and parses them;
rpc/service.py takes it in if rpc/admission.py has room, turns the message into a core Task (rpc/requests.py) and
gives it to engine.py, which asks core/table.py for a Plan and then lets core/cascade.py say, step by step, what to do:
reserve, call a model, check, supersede, finish (core/succession.py: who takes over from a model that fails). Calls go
through the port providers/base.py to providers/retrying.py, breaking.py, limiting.py and providers/anthropic/, which
reads the answer with providers/sse.py. Whatever happens is emitted once as a core/stream.py event:
telemetry/ folds it into spans and metrics, core/account.py into the bill, and rpc/writer.py sends it to the caller
(rpc/responses.py). What goes wrong is an errors.py exception, and rpc/status.py makes a gRPC status of it. app.py puts
the pieces together from what config/ read; cli.py and __main__.py start it.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
