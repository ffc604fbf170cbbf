"""How long the two ends of a TLS connection may take."""

from __future__ import annotations

HANDSHAKE_S = 10.0
"""How long a client may take for its handshake."""

SHUTDOWN_S = 3600.0
"""How long the end of a connection may take: longer than it ever does, for the web room sees to slow clients."""
