"""HTTP: connections, routes, the codec of ``/score``, limits and deadlines. Builds no plan, executor or gate."""

from pfserve.web.connection import Connection
from pfserve.web.service import Service
from pfserve.web.settings import Limits, Settings

__all__ = ["Connection", "Limits", "Service", "Settings"]
