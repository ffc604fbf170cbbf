"""What a page consists of. Plain data: how it looks is the business of those who set it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..trial.page import Lines, Table


class Line(msgspec.Struct, frozen=True):
    """A named line of a plot."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


class Axes(msgspec.Struct, frozen=True):
    """One coordinate system."""

    across: str
    up: str
    lines: Sequence[Line]
    nines: bool = False  # across are percents, and every further nine gets as much room
    dots: bool = False
    joined: bool = True  # dots that have no order are not
    logarithmic: bool = False  # upwards


class Plot(msgspec.Struct, frozen=True):
    """Coordinate systems one above the other. ``told`` says in words what is seen."""

    title: str
    told: str
    axes: Sequence[Axes]


class Heat(msgspec.Struct, frozen=True):
    """A grid of figures, the larger the warmer; None where nothing was measured."""

    title: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    chosen: tuple[int, int] | None  # row, column
    told: str


class WhatIf(msgspec.Struct, frozen=True):
    """Where the sliders of the model stand at first."""

    title: str
    rate_per_s: float
    service_s: float
    slots: int
    bound: int  # requests inside one instance
    cpu_s: float  # of a request; 0: not known
    cores: int
    origin: str  # where these figures come from
    instances: int = 1


class Code(msgspec.Struct, frozen=True):
    """Text to copy, as it is."""

    title: str
    text: str


Part = Lines | Table | Plot | Heat | WhatIf | Code


class Section(msgspec.Struct, frozen=True):
    """Parts that belong together."""

    title: str
    parts: Sequence[Part]


class Document(msgspec.Struct, frozen=True):
    """A page. What must be known first comes first."""

    title: str
    summary: Sequence[str]
    warnings: Sequence[str]
    sections: Sequence[Section]
