"""What a request carries with it through every context and thread that works for it."""

from __future__ import annotations

from contextvars import ContextVar

from pfserve.values.model_call import Record

DEADLINE_S: ContextVar[float | None] = ContextVar("pfserve_deadline_s", default=None)
"""When the request's time is over, in monotonic seconds; None outside a request."""

REQUEST_ID: ContextVar[str] = ContextVar("pfserve_request_id", default="")
"""The request's ``x-request-id``; empty outside a request."""

MODEL_CALLS: ContextVar[Record | None] = ContextVar("pfserve_model_calls", default=None)
"""Who wants to know of each answered model call; a worker sets it once, for all of its requests."""
