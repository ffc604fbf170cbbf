"""What the admin port answers, as bytes: the same whoever answers, a monitor or a worker."""

from __future__ import annotations

from pfserve.config import ServeConfig, setting_rows
from pfserve.region import Region
from pfserve.telemetry.exposition import exposition
from pfserve.telemetry.look import look
from pfserve.telemetry.status import status
from pfserve.telemetry.vitals import Vitals


class Admin:
    """Reads the shared region; changes nothing."""

    def __init__(self, config: ServeConfig, region: Region, vitals: Vitals, version: str) -> None:
        self._settings = setting_rows(config)
        self._region = region
        self._vitals = vitals
        self._version = version

    def metrics(self) -> bytes:
        """Prometheus text of the instance."""
        return exposition(look(self._region, self._vitals), self._version)

    def status(self) -> bytes:
        """JSON of the instance."""
        return status(look(self._region, self._vitals), self._version, self._settings)
