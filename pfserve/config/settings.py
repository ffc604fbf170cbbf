"""The table of settings: one row each, as data. What a row cannot say about its default is in ``derive``."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pfserve.config import parse


class Unit(msgspec.Struct, frozen=True):
    """A unit of the outside contract, and the way to and from the one used inside."""

    text: str
    inward: Callable[[float], float]
    outward: Callable[[float], float]


SECONDS = Unit("s", float, float)
MILLISECONDS = Unit("ms", lambda ms: ms / 1000, lambda s: s * 1000)
MEGABYTES = Unit("MB", lambda mb: int(mb * 1_000_000), lambda size: size / 1_000_000)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of ``pfserve serve``.

    ``parse`` reads a flag, ``parse_variable`` (where it differs) an environment variable; both raise ValueError that
    says what is allowed. ``default`` is in the operator's unit; None together with ``default_text`` means that it is
    worked out (``derive``). Of ``variables`` the first one that is set counts.
    """

    name: str
    help: str
    parse: Callable[[str], object]
    parse_variable: Callable[[str], object] | None = None
    flag: str = ""  # "" where only a variable sets it
    is_switch: bool = False  # has a --no- form and takes no value
    is_secret: bool = False  # what was given is never shown
    is_repeatable: bool = False  # the flag may be given again; its texts are parsed one by one, to a tuple
    variables: tuple[str, ...] = ()
    default: object = None
    default_text: str = ""
    unit: Unit | None = None
    field: str = ""  # of ServeConfig, where it is not the name
    bad_variable_warns: bool = False  # the contract has the default for a bad value; we add a warning

    @property
    def target(self) -> str:
        """The field of ServeConfig that holds the value."""
        return self.field or self.name


_DAY_S = 86_400

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="flow",
        help="Flow folder or file.",
        parse=parse.anything,
        variables=("PROMPTFLOW_PROJECT_PATH", "PF_PROJECT_PATH"),
        default_text="the first entry of AZUREML_MODEL_DIR, else .",
    ),
    Setting(
        name="host",
        flag="--host",
        variables=("PFSERVE_HOST",),
        help="Address to listen on.",
        parse=parse.host,
        default="127.0.0.1",
    ),
    Setting(
        name="port",
        flag="--port",
        variables=("PFSERVE_PORT",),
        help="Port to listen on; 0 takes a free one.",
        parse=parse.whole(0, 65_535),
        default=8080,
    ),
    Setting(
        name="admin_port",
        flag="--admin-port",
        variables=("PFSERVE_ADMIN_PORT",),
        help="Port of /metrics, /status, /livez and /readyz; 0 turns it off. Is the default one taken, it is off too.",
        parse=parse.whole(0, 65_535),
        default=8081,
    ),
    Setting(
        name="admin_host",
        flag="--admin-host",
        variables=("PFSERVE_ADMIN_HOST",),
        help="Address of the admin port.",
        parse=parse.host,
        default_text="as --host",
    ),
    Setting(
        name="expose_admin",
        flag="--expose-admin",
        is_switch=True,
        variables=("PFSERVE_EXPOSE_ADMIN",),
        help="/metrics and /status on the main port too.",
        parse=parse.switch,
        default=False,
    ),
    Setting(
        name="workers",
        flag="--workers",
        variables=("PROMPTFLOW_WORKER_NUM",),
        help="Worker processes.",
        parse=parse.whole(1, 1024),
        default_text="the CPU cores this process may use",
    ),
    Setting(
        name="threads",
        flag="--threads",
        variables=("PROMPTFLOW_WORKER_THREADS",),
        help="Threads of one worker for blocking nodes, for each branch that the flow runs in parallel.",
        parse=parse.whole(1, 1024),
        default=1,
    ),
    Setting(
        name="max_concurrent_requests",
        flag="--max-concurrent-requests",
        variables=("PFSERVE_MAX_CONCURRENT_REQUESTS",),
        help="Requests inside the instance at once; more get 429.",
        parse=parse.whole(1, 1_000_000),
        default_text="10; 1000 on Azure ML and for a promptflow export",
    ),
    Setting(
        name="max_queue_wait_ms",
        field="max_queue_wait_s",
        flag="--max-queue-wait-ms",
        variables=("PFSERVE_MAX_QUEUE_WAIT_MS",),
        help="How long a request may wait for a thread; then it gets 429.",
        parse=parse.whole(1, 300_000),
        default_text="none: its deadline bounds it",
        unit=MILLISECONDS,
    ),
    Setting(
        name="request_timeout_ms",
        field="request_timeout_s",
        flag="--request-timeout-ms",
        variables=("PFSERVE_REQUEST_TIMEOUT_MS",),
        help="Deadline of a request; the default is the maximum.",
        parse=parse.whole(1, 300_000),
        default=300_000,
        unit=MILLISECONDS,
    ),
    Setting(
        name="outputs",
        field="included_outputs",
        flag="--outputs",
        variables=("PROMPTFLOW_RESPONSE_INCLUDED_FIELDS",),
        help="Outputs to answer with, separated by commas; a JSON list in the variable.",
        parse=parse.names,
        parse_variable=parse.json_names,
        default_text="all but evaluation_only ones",
    ),
    Setting(
        name="connections",
        flag="--connections",
        is_repeatable=True,
        variables=("PFSERVE_CONNECTIONS",),
        help="File (YAML, JSON) or folder of connections; those of a promptflow export count without. "
        "Colons separate several in the variable.",
        parse=parse.existing_path,
        parse_variable=parse.existing_paths,
        default=(),
        default_text="none",
    ),
    Setting(
        name="connection",
        field="replaced_connections",
        flag="--connection",
        is_repeatable=True,
        help="NAME=OTHER: where the flow names the connection NAME, use OTHER; a variable called NAME does the same.",
        parse=parse.replacement,
        default=(),
        default_text="none",
    ),
    Setting(
        name="variant",
        field="variants",
        flag="--variant",
        is_repeatable=True,
        variables=("PFSERVE_VARIANT",),
        help="NODE.VARIANT: use this variant of the node; the variable takes several, separated by commas.",
        parse=parse.variant,
        parse_variable=parse.variants,
        default=(),
        default_text="the default ones",
    ),
    Setting(
        name="init",
        flag="--init",
        variables=("PF_FLOW_INIT_CONFIG",),
        help="Arguments for the class of a flex flow: a JSON object, or @FILE that holds one.",
        parse=parse.arguments_or_file,
        parse_variable=parse.arguments,
        is_secret=True,
        default={},
        default_text="those of the flow's sample",
    ),
    Setting(
        name="grace_s",
        flag="--grace-s",
        variables=("PFSERVE_GRACE_S",),
        help="From the stop signal to the end, at most.",
        parse=parse.number(0, _DAY_S),
        default=25,
        unit=SECONDS,
    ),
    Setting(
        name="drain_delay_s",
        flag="--drain-delay-s",
        variables=("PFSERVE_DRAIN_DELAY_S",),
        help="How long to serve on, unready, after the stop signal.",
        parse=parse.number(0, _DAY_S),
        default_text="5; 0 on a loopback address",
        unit=SECONDS,
    ),
    Setting(
        name="stuck_after_s",
        flag="--stuck-after-s",
        variables=("PFSERVE_STUCK_AFTER_S",),
        help="Replace a worker whose event loop stands still for so long.",
        parse=parse.number(2, _DAY_S),  # beats come once a second
        default=30,
        unit=SECONDS,
    ),
    Setting(
        name="boot_timeout_s",
        flag="--boot-timeout-s",
        variables=("PFSERVE_BOOT_TIMEOUT_S",),
        help="How long the flow may take to import and the workers to get ready.",
        parse=parse.number(1, _DAY_S),
        default=120,
        unit=SECONDS,
    ),
    Setting(
        name="slow_ms",
        field="slow_s",
        flag="--slow-ms",
        variables=("PFSERVE_SLOW_MS",),
        help="Log requests that take longer.",
        parse=parse.whole(1, 300_000),
        default=5000,
        unit=MILLISECONDS,
    ),
    Setting(
        name="access_log",
        flag="--access-log",
        is_switch=True,
        variables=("PFSERVE_ACCESS_LOG",),
        help="Log every request.",
        parse=parse.switch,
        default_text="off; on with --log-format json",
    ),
    Setting(
        name="log_format",
        flag="--log-format",
        variables=("PFSERVE_LOG_FORMAT",),
        help="text or json.",
        parse=parse.choice("text", "json"),
        default="text",
    ),
    Setting(
        name="log_level",
        flag="--log-level",
        variables=("PF_LOGGING_LEVEL",),
        help="critical, error, warning, info or debug; in capitals in the variable.",
        parse=parse.level,
        parse_variable=parse.level_exact,
        default="INFO",
        bad_variable_warns=True,
    ),
    Setting(
        name="log_pattern",
        variables=("PF_LOG_FORMAT",),
        help="Format of Python's logging for text logs.",
        parse=parse.log_pattern,
        default="",
        default_text="promptflow's",
    ),
    Setting(
        name="log_date_pattern",
        variables=("PF_LOG_DATETIME_FORMAT",),
        help="Date format for text logs.",
        parse=parse.date_pattern,
        default="",
        default_text="promptflow's",
    ),
    Setting(
        name="body_limit_mb",
        field="body_limit_bytes",
        flag="--body-limit-mb",
        variables=("PFSERVE_BODY_LIMIT_MB",),
        help="Largest request body, in millions of bytes.",
        parse=parse.number(0.001, 100_000),
        default=100,
        unit=MEGABYTES,
    ),
    Setting(
        name="max_connections",
        flag="--max-connections",
        variables=("PFSERVE_MAX_CONNECTIONS",),
        help="Open connections of one worker.",
        parse=parse.whole(1, 1_000_000),
        default=10_000,
    ),
    Setting(
        name="max_requests",
        flag="--max-requests",
        variables=("PFSERVE_MAX_REQUESTS",),
        help="Replace a worker that has served so many, give or take 15 %; 0: never.",
        parse=parse.whole(0, 10**12),
        default=0,
    ),
    Setting(
        name="max_rss_mb",
        field="max_rss_bytes",
        flag="--max-rss-mb",
        variables=("PFSERVE_MAX_RSS_MB",),
        help="Replace a worker whose resident memory has grown beyond this, in millions of bytes; 0: never.",
        parse=parse.number(0, 10**9),
        default=0,
        unit=MEGABYTES,
    ),
    Setting(
        name="cors",
        flag="--cors",
        variables=("PFSERVE_CORS",),
        help="Origin that browsers may call from; * for any, off for none.",
        parse=parse.allowed_origin,
        default="*",
    ),
    Setting(
        name="stream_errors",
        flag="--stream-errors",
        is_switch=True,
        variables=("PFSERVE_STREAM_ERRORS",),
        help="Send an event named error, with the error, before the connection of a stream that failed is cut.",
        parse=parse.switch,
        default=False,
    ),
    Setting(
        name="pidfile",
        flag="--pidfile",
        variables=("PFSERVE_PIDFILE",),
        help="File that holds the master's process id.",
        parse=parse.path,
        default="",
        default_text="none",
    ),
    Setting(
        name="runtime_folder",
        variables=("XDG_RUNTIME_DIR",),
        help="Where the control socket is, besides the one beside the pid file; in a folder pfserve of it.",
        parse=parse.anything,
        default="",
        default_text="/tmp/pfserve-UID",
    ),
    Setting(
        name="preload",
        flag="--preload",
        is_switch=True,
        variables=("PFSERVE_PRELOAD",),
        help="Import the flow once, before the workers are forked; --no-preload imports it in each.",
        parse=parse.switch,
        default=True,
    ),
    Setting(
        name="stub_llm",
        flag="--stub-llm",
        is_switch=True,
        variables=("PFSERVE_STUB_LLM",),
        help="Replace every model's connection by an embedded stub; no key is needed, the answers are made up.",
        parse=parse.switch,
        default=False,
    ),
    Setting(
        name="line_timeout_s",
        variables=("PF_LINE_TIMEOUT_SEC",),
        help="Limit on the execution of one request, answered with 400.",
        parse=parse.whole(1, 10**9),
        default_text="none",
        unit=SECONDS,
        bad_variable_warns=True,
    ),
    Setting(
        name="hand_off",
        variables=("PFSERVE_HAND_OFF",),
        help="One line for all workers; off: each runs what it accepts, in a queue of its own without a limit of time.",
        parse=parse.switch,
        default=True,
    ),
    Setting(
        name="jinja_sandbox",
        variables=("PF_USE_SANDBOX_FOR_JINJA",),
        help="Render prompts in Jinja's sandbox; false turns it off.",
        parse=parse.unless_false,
        default=True,
    ),
    Setting(
        name="build_info",
        variables=("BUILD_INFO",),
        help="Shown by /version.",
        parse=parse.anything,
        default="",
        default_text="none",
    ),
)
