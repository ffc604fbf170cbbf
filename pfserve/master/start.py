"""The start of an instance: log, sockets, shared region, pid file. Then the master takes over."""

from __future__ import annotations

import logging
import socket
import time

from pfserve.config import ServeConfig
from pfserve.errors import ConfigError, PortError
from pfserve.leader import lead
from pfserve.master.listeners import bind, bind_admin
from pfserve.master.master import BLOCKS, BootLeader, Master, Sockets, block_size, descriptors_needed
from pfserve.master.pidfile import pidfile
from pfserve.master.unix_socket import UnixSocket
from pfserve.region import Region
from pfserve.telemetry.logs import configure
from pfserve.worker.lifeline import hold_standard_descriptors, raise_descriptor_limit

_log = logging.getLogger("pfserve")


def run_master(config: ServeConfig, boot_leader: BootLeader = lead) -> int:
    """Serve until asked to stop; give the exit code. ``boot_leader`` is the life of a leader, run in its own process.

    Raises:
        PortError: an address cannot be bound.
        ConfigError: the pid file cannot be written, or so many workers need more open files than are allowed.
        BootError: this machine's C library lacks the lock of the shared region.
    """
    started_s = time.monotonic()
    hold_standard_descriptors()
    _open_log(config)
    _check_descriptors(config, raise_descriptor_limit())
    unix = UnixSocket(config.uds, _origin(config, "uds"))
    listeners = _bind(config, unix)
    is_default = _origin(config, "admin_port") == "default"
    sockets = Sockets(listeners, bind_admin(config.admin_host, config.admin_port, listeners, is_default=is_default))
    region = Region(config.max_concurrent_requests, BLOCKS * block_size(config), BLOCKS)
    try:
        with pidfile(config.pidfile, config.origins.get("pidfile", "")):
            return Master(config, sockets, region, boot_leader, started_s).run()
    finally:
        unix.remove()


def _check_descriptors(config: ServeConfig, allowed: int) -> None:
    if (needed := descriptors_needed(config.workers)) > allowed:
        problem = f"need {needed} open files; {allowed} are allowed (ulimit -n, or docker's --ulimit nofile)"
        raise ConfigError("workers", config.workers, _origin(config, "workers"), problem)


def _bind(config: ServeConfig, unix: UnixSocket) -> tuple[socket.socket, ...]:
    """The port, the Unix socket, or both. A Unix socket stands for the port, unless one was asked for too."""
    wants_port = not config.uds or _origin(config, "port") != "default"
    by_port = _bind_port(config) if wants_port else ()
    return (*by_port, unix.bind()) if config.uds else by_port


def _bind_port(config: ServeConfig) -> tuple[socket.socket, ...]:
    try:
        return bind(config.host, config.port)
    except PortError as problem:
        raise PortError(f"{problem} (--host and --port set where, or PFSERVE_HOST and PFSERVE_PORT)") from None


def _open_log(config: ServeConfig) -> None:
    configure(config.log_format, config.log_level, pattern=config.log_pattern, date_pattern=config.log_date_pattern)
    for line in config.warnings:
        _log.warning("%s", line)
    for line in config.notices:
        _log.info("%s", line)
    _log.info(
        "%d workers (%s) with %d threads (%s); at most %d requests inside (%s)",
        *(config.workers, _origin(config, "workers")),
        *(config.threads, _origin(config, "threads")),
        *(config.max_concurrent_requests, _origin(config, "max_concurrent_requests")),
    )


def _origin(config: ServeConfig, name: str) -> str:
    return config.origins.get(name, "default")
