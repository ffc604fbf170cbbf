"""Connections by name: where they are given, what overrides them, and what is wrong with them."""

from pfserve.connections.connections import Connections, Field, Resolved, Sources, StandIn
from pfserve.connections.environment import fill, referred
from pfserve.connections.form import Form
from pfserve.connections.load import load
from pfserve.connections.problems import AccessDenied, BrokenConnection, ConnectionProblem, MissingConnection

__all__ = [
    "AccessDenied",
    "BrokenConnection",
    "ConnectionProblem",
    "Connections",
    "Field",
    "Form",
    "MissingConnection",
    "Resolved",
    "Sources",
    "StandIn",
    "fill",
    "load",
    "referred",
]
