"""The monitor: the process of the admin port. It watches the shared region, and answers when every worker is stuck.

Importing this brings no event loop and no HTTP server: the master does it, and must stay without.
"""

from pfserve.monitor.watch import Watch, watch

__all__ = ["Watch", "watch"]
