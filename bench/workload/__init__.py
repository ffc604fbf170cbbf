"""What is asked: bodies from files or from the target's own description, filled in, and made into HTTP requests."""

from .payload import from_file
from .request import Target, Workload, check, requests
from .swagger import from_swagger

__all__ = ["Target", "Workload", "check", "from_file", "from_swagger", "requests"]
