"""All flows of the suite."""

from __future__ import annotations

from parity.details import DETAILS
from parity.functions import FLEX
from parity.graphs import GRAPH, REFUSED
from parity.models import MODELS
from parity.prompties import PROMPTIES
from parity.requests_and_answers import ANSWER_FORMS, OUTCOMES, REQUESTS
from parity.tools import TOOL_FLOWS
from parity.users import USERS

FLOWS = [
    *REQUESTS,
    *OUTCOMES,
    *ANSWER_FORMS,
    *GRAPH,
    *REFUSED,
    *MODELS,
    *FLEX,
    *PROMPTIES,
    *TOOL_FLOWS,
    *USERS,
    *DETAILS,
]
