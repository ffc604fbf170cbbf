"""Whether a requirement is met by what is installed. No package is imported for it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_PROVIDED = frozenset(  # by pfserve itself, in any version
    {
        *("promptflow", "promptflow-core", "promptflow-devkit", "promptflow-tracing", "promptflow-tools"),
        *("promptflow-azure", "promptflow-recording"),
    }
)


def unmet(text: str) -> str:
    """What is wrong with a requirement here; nothing if it is met, does not count here, or is a path or URL alone."""
    if _is_place(text):
        return ""
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return f"'{text}' is no requirement that can be read, and is not checked"
    if not _counts(wanted) or canonicalize_name(wanted.name) in _PROVIDED:
        return ""
    if problem := _problem(wanted):
        return f"the requirement '{text}' is not met: {problem}"
    return ""


def _problem(wanted: Requirement) -> str:
    try:
        installed = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if wanted.specifier and not wanted.specifier.contains(installed, prereleases=True):
        return f"{wanted.name} {installed} is installed"
    lacking = ", ".join(sorted(set(_lacking_extras(wanted))))
    return f"of its extras {lacking} is not installed" if lacking else ""


def _is_place(text: str) -> bool:
    return "@" not in text and (
        "://" in text or text.startswith((".", "/")) or text.endswith((".whl", ".zip", ".tar.gz"))
    )


def _counts(wanted: Requirement, extra: str = "") -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


def _lacking_extras(wanted: Requirement) -> Iterator[str]:
    """The packages that the extras of an installed package bring, as far as they are missing."""
    for text in metadata.requires(wanted.name) or () if wanted.extras else ():
        needed = Requirement(text)
        if needed.marker is None or _counts(needed):
            continue  # needed by the package itself, without any extra
        if any(_counts(needed, extra) for extra in wanted.extras):
            try:
                metadata.version(needed.name)
            except metadata.PackageNotFoundError:
                yield needed.name
