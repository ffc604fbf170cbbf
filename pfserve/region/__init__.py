"""The memory that all processes of an instance share: cells per seat, one lock, a few words of the master."""

from pfserve.region.lock import LockTimeout
from pfserve.region.region import Region, SeatState

__all__ = ["LockTimeout", "Region", "SeatState"]
