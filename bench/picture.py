"""P15: a body of 5 MB that is a picture."""

from __future__ import annotations

import base64
import secrets
import tempfile
from pathlib import Path

from . import contest, flows, systems
from .budgets import judge
from .contest import P50
from .part import Part, Say, Settings
from .series import ratio
from .wrk import Load

BODY_BYTES = 5_000_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def body() -> str:
    """A picture that nobody has seen. It is none after the signature: nobody here looks into it."""
    encoded = base64.b64encode(SIGNATURE + secrets.token_bytes(BODY_BYTES * 3 // 4)).decode()
    return f'{{"text": {{"data:image/png;base64": "{encoded}"}}}}'


def picture(settings: Settings, say: Say) -> Part:
    """P15: one worker and one connection, the node async."""
    with tempfile.TemporaryDirectory() as home:
        launches = [systems.pfserve(flows.picture(Path(home) / "picture"), 1), systems.decoder()]
        load = Load(1, settings.seconds, body())
        held = contest.hold("5 MB picture", launches, load, settings.rounds, probe=body, say=say)
    compared = ratio(held.of(systems.PFSERVE, P50), held.of(systems.DECODER, P50))
    return Part((*held.series(), compared), (judge("P15.time", compared),), held.voids())
