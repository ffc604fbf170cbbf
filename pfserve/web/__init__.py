"""HTTP: connections, routes, the codec of ``/score``, limits and deadlines. Builds no plan, executor or gate."""

from pfserve.web.connection import Connection
from pfserve.web.private import PrivateService
from pfserve.web.relay import Away, Relay
from pfserve.web.service import Service
from pfserve.web.settings import Limits, Settings

__all__ = ["Away", "Connection", "Limits", "PrivateService", "Relay", "Service", "Settings"]
