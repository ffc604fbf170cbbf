"""What the operator asked for: complete, validated, in seconds and bytes. Nothing here reads anything."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ServeConfig(msgspec.Struct, frozen=True):
    """The settings of ``pfserve serve``. Built only by :func:`pfserve.config.load_config`."""

    flow: str  # folder or file, resolved to an absolute path
    host: str
    port: int
    workers: int
    threads: int
    max_concurrent_requests: int
    request_timeout_s: float
    body_limit_bytes: int
    max_connections: int  # per worker
    grace_s: float  # from the signal to the end
    drain_delay_s: float  # from the signal until listeners close
    stuck_after_s: float
    boot_timeout_s: float
    slow_s: float
    access_log: bool
    log_format: str  # "text" | "json"
    log_level: str  # a name of the logging module
    cors: str  # the origin that is allowed, "*" as promptflow, "" for none
    pidfile: str  # "" for none
    preload: bool
    environment: Mapping[str, str]  # --env and --env-file: they win over the process environment
    included_outputs: tuple[str, ...] | None  # --outputs; None: every output but evaluation_only ones
    line_timeout_s: float | None  # PF_LINE_TIMEOUT_SEC
    jinja_sandbox: bool  # PF_USE_SANDBOX_FOR_JINJA
    build_info: str  # BUILD_INFO
    origins: Mapping[str, str]  # setting name -> where its value came from
    warnings: tuple[str, ...]  # one log line each, at start
