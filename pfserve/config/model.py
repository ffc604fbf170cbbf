"""What the operator asked for: complete, validated, in seconds and bytes. Nothing here reads anything."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ServeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of ``pfserve serve``. Built only by :func:`pfserve.config.load_config`."""

    flow: str  # folder or file, an absolute path
    host: str
    port: int  # 0: any free one
    workers: int
    threads: int
    max_concurrent_requests: int
    request_timeout_s: float
    max_queue_wait_s: float | None = None  # in the line; None: as long as the deadline lets it
    hand_off: bool = True  # False: each worker has a line of its own
    body_limit_bytes: int
    max_connections: int  # per worker
    grace_s: float  # from the signal to the end
    drain_delay_s: float  # from the signal until listeners close
    stuck_after_s: float
    boot_timeout_s: float  # from the leader's fork until every worker is ready
    slow_s: float
    access_log: bool
    log_format: str  # "text" | "json"
    log_level: str  # a name of the logging module
    log_pattern: str = ""  # PF_LOG_FORMAT: a format of the logging module, "" for ours
    log_date_pattern: str = ""  # PF_LOG_DATETIME_FORMAT: a strftime format, "" for ours
    cors: str  # the origin that is allowed, "*" as promptflow, "" for none
    nan: str = "null"  # how answers write NaN and infinities: "null" | "literal"
    stream_errors: bool = False  # an event tells why a stream is cut
    server_timing: bool = False  # a header tells how long a request waited and ran
    tls_cert: str = ""  # absolute paths, "" for none
    tls_key: str = ""
    uds: str = ""  # an absolute path, "" for none
    pidfile: str  # an absolute path, "" for none
    runtime_folder: str = ""  # "" for one of our own in /tmp
    admin_host: str = "127.0.0.1"
    admin_port: int = 0  # 0: none
    expose_admin: bool = False
    max_requests: int = 0  # of one worker process, before it is replaced; 0: any number
    max_rss_bytes: int = 0  # the same
    preload: bool
    stub_llm: bool = False
    environment: Mapping[str, str]  # --env and --env-file: they win over the process environment
    included_outputs: tuple[str, ...] | None  # --outputs; None: every output but evaluation_only ones
    connections: tuple[str, ...] = ()  # absolute paths of connection files and of folders of them
    replaced_connections: tuple[str, ...] = ()  # NAME=OTHER
    line_timeout_s: float | None  # PF_LINE_TIMEOUT_SEC
    init: Mapping[str, object] = {}  # --init: arguments of a flex flow's class; may hold secrets
    variants: tuple[str, ...] = ()  # --variant: NODE.VARIANT each; the default ones for other nodes
    jinja_sandbox: bool  # PF_USE_SANDBOX_FOR_JINJA
    build_info: str  # BUILD_INFO
    origins: Mapping[str, str]  # name of a setting (settings.py) -> where its value came from
    warnings: tuple[str, ...]  # one WARNING line each, at start
    notices: tuple[str, ...] = ()  # one INFO line each, at start
