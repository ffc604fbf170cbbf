"""Values that depend on other values or on the surroundings. Pure: facts in, a choice out."""

from __future__ import annotations

import ipaddress

import msgspec

from pfserve.config.place import connections_folder

AZURE_ML_CORE_FACTOR = 2  # its documented maximum of PROMPTFLOW_WORKER_NUM per core
UNBOUNDED_BEFORE = 1000  # the bound where the replaced server had none


class Choice(msgspec.Struct, frozen=True):
    """The value of a setting in the operator's unit, where it came from, and what the operator must know about it."""

    value: object
    origin: str
    warning: str = ""


class Site(msgspec.Struct, frozen=True):
    """What the surroundings say."""

    cores: int
    azure_ml: bool
    promptflow_export: bool


def workers(asked: Choice | None, site: Site) -> Choice:
    """One worker per core unless asked otherwise; Azure ML's maximum holds where Azure ML runs us."""
    if asked is None:
        return Choice(site.cores, f"default, {_cores(site.cores)}")
    limit = AZURE_ML_CORE_FACTOR * site.cores
    if not isinstance(asked.value, int) or asked.value <= limit:
        return asked
    told = f"workers = {asked.value} (from {asked.origin}): more than twice the {_cores(site.cores)}"
    if site.azure_ml:
        return Choice(limit, f"{asked.origin}, clamped", f"{told}; clamped to {limit}, the maximum on Azure ML")
    return Choice(asked.value, asked.origin, f"{told}; they will compete for them")


def max_concurrent_requests(asked: Choice | None, site: Site) -> Choice:
    """10 unless asked otherwise; where promptflow served before without a bound, so many that none is refused."""
    if asked is not None:
        return asked
    if site.azure_ml:
        return _as_before("Azure ML")
    if site.promptflow_export:
        return _as_before("a promptflow export")
    return Choice(10, "default")


def _as_before(where: str) -> Choice:
    return Choice(
        UNBOUNDED_BEFORE,
        f"default for {where}",
        f"max_concurrent_requests = {UNBOUNDED_BEFORE} (default for {where}): nothing is refused that was served"
        " before; set --max-concurrent-requests or PFSERVE_MAX_CONCURRENT_REQUESTS to what this instance can really do",
    )


def drain_delay_s(asked: Choice | None, host: object) -> Choice:
    """Long enough for a load balancer to notice; none where there is no load balancer."""
    if asked is not None:
        return asked
    return Choice(0.0, "default on loopback") if is_loopback(str(host)) else Choice(5.0, "default")


def admin_host(asked: Choice | None, host: Choice) -> Choice:
    """That of the main port unless asked otherwise."""
    return asked or Choice(host.value, f"{host.origin}, as --host" if host.origin != "default" else "default")


def access_log(asked: Choice | None, log_format: object) -> Choice:
    """On for machines, off for people."""
    if asked is not None:
        return asked
    return Choice(True, "default with json logs") if log_format == "json" else Choice(False, "default")


def connections(asked: Choice | None, site: Site, flow: str) -> Choice:
    """Those that the operator names; else those that a promptflow export has beside the flow."""
    if asked is not None:
        return asked
    if site.promptflow_export:
        return Choice((connections_folder(flow),), "default for a promptflow export")
    return Choice((), "default")


def jinja_sandbox(choice: Choice) -> Choice:
    """The choice, with a warning when the sandbox is off."""
    if choice.value:
        return choice
    return Choice(False, choice.origin, f"Jinja's sandbox is off (from {choice.origin}): prompts can run any code")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _cores(count: int) -> str:
    return "1 CPU core" if count == 1 else f"{count} CPU cores"
