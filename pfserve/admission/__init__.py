"""How many requests may be inside the instance: exactly so many, over all of its processes."""

from pfserve.admission.gate import Gate

__all__ = ["Gate"]
