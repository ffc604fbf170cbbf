"""load_config as a table: flags and environment in; value and origin, or the error's text, out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfserve.config import SETTINGS, ServeConfig, load_config
from pfserve.errors import ConfigError

CORES = 2


def load(flags=None, environ=None) -> ServeConfig:
    return load_config({"flow": "/", **(flags or {})}, environ or {}, cores=CORES)


HOST = {"host": "0.0.0.0"}
PATHS = ("connections", "connections")
REPLACED = ("connection", "replaced_connections")
AZURE = {"AML_APP_ROOT": "/var/azureml-app"}

CHOSEN = [
    # flags, environ, setting, field, value, origin
    ({}, {}, "connections", "connections", (), "default"),
    ({"connections": ("/", "/etc")}, {"PFSERVE_CONNECTIONS": "/usr"}, *PATHS, ("/", "/etc"), "flag --connections"),
    ({}, {"PFSERVE_CONNECTIONS": "/:/etc:"}, *PATHS, ("/", "/etc"), "environment PFSERVE_CONNECTIONS"),
    ({"connections": ()}, {"PFSERVE_CONNECTIONS": "/"}, *PATHS, ("/",), "environment PFSERVE_CONNECTIONS"),
    ({"connection": ("a=b", "c d = e")}, {}, *REPLACED, ("a=b", "c d=e"), "flag --connection"),
    ({}, {}, "host", "host", "127.0.0.1", "default"),
    ({"host": "[::1]"}, {}, "host", "host", "::1", "flag --host"),
    ({}, {"PFSERVE_HOST": "0.0.0.0"}, "host", "host", "0.0.0.0", "environment PFSERVE_HOST"),
    ({}, {}, "port", "port", 8080, "default"),
    ({"port": "0"}, {"PFSERVE_PORT": "9"}, "port", "port", 0, "flag --port"),
    ({"port": "8\x1f"}, {}, "port", "port", 8, "flag --port"),
    ({}, {"PFSERVE_PORT": " 9 "}, "port", "port", 9, "environment PFSERVE_PORT"),
    ({}, {"PFSERVE_PORT": ""}, "port", "port", 8080, "default"),
    ({}, {"PFSERVE_PORT": "tcp://10.0.0.7:80"}, "port", "port", 8080, "default"),  # a Kubernetes Service "pfserve"
    ({}, {"PFSERVE_ADMIN_PORT": "udp://[fd00::7]:80"}, "admin_port", "admin_port", 8081, "default"),
    ({}, {}, "workers", "workers", 2, "default, 2 CPU cores"),
    ({}, {"PROMPTFLOW_WORKER_NUM": "4"}, "workers", "workers", 4, "environment PROMPTFLOW_WORKER_NUM"),
    ({"workers": "3"}, {"PROMPTFLOW_WORKER_NUM": "4"}, "workers", "workers", 3, "flag --workers"),
    ({"workers": "5"}, {}, "workers", "workers", 5, "flag --workers"),
    ({"workers": "5"}, AZURE, "workers", "workers", 4, "flag --workers, clamped"),
    ({}, {"PROMPTFLOW_WORKER_THREADS": "7"}, "threads", "threads", 7, "environment PROMPTFLOW_WORKER_THREADS"),
    ({}, {}, "max_concurrent_requests", "max_concurrent_requests", 10, "default"),
    ({}, AZURE, "max_concurrent_requests", "max_concurrent_requests", 1000, "default for Azure ML"),
    (
        {"max_concurrent_requests": "3"},
        AZURE,
        "max_concurrent_requests",
        "max_concurrent_requests",
        3,
        "flag --max-concurrent-requests",
    ),
    ({}, {}, "request_timeout_ms", "request_timeout_s", 300.0, "default"),
    ({"request_timeout_ms": "1500"}, {}, "request_timeout_ms", "request_timeout_s", 1.5, "flag --request-timeout-ms"),
    ({}, {}, "outputs", "included_outputs", None, "default"),
    ({"outputs": "b, a,b"}, {}, "outputs", "included_outputs", ("b", "a"), "flag --outputs"),
    (
        {},
        {"PROMPTFLOW_RESPONSE_INCLUDED_FIELDS": '["a", "b"]'},
        "outputs",
        "included_outputs",
        ("a", "b"),
        "environment PROMPTFLOW_RESPONSE_INCLUDED_FIELDS",
    ),
    ({}, {"PFSERVE_GRACE_S": "2.5"}, "grace_s", "grace_s", 2.5, "environment PFSERVE_GRACE_S"),
    ({}, {}, "drain_delay_s", "drain_delay_s", 0.0, "default on loopback"),
    ({"host": "localhost"}, {}, "drain_delay_s", "drain_delay_s", 0.0, "default on loopback"),
    (HOST, {}, "drain_delay_s", "drain_delay_s", 5.0, "default"),
    ({"drain_delay_s": "1"}, {}, "drain_delay_s", "drain_delay_s", 1.0, "flag --drain-delay-s"),
    ({}, {}, "stuck_after_s", "stuck_after_s", 30.0, "default"),
    ({}, {}, "boot_timeout_s", "boot_timeout_s", 120.0, "default"),
    ({"boot_timeout_s": "3"}, {}, "boot_timeout_s", "boot_timeout_s", 3.0, "flag --boot-timeout-s"),
    ({}, {"PFSERVE_SLOW_MS": "250"}, "slow_ms", "slow_s", 0.25, "environment PFSERVE_SLOW_MS"),
    ({}, {}, "access_log", "access_log", False, "default"),
    ({"log_format": "json"}, {}, "access_log", "access_log", True, "default with json logs"),
    ({"log_format": "json", "access_log": "off"}, {}, "access_log", "access_log", False, "flag --no-access-log"),
    ({"access_log": "on"}, {"PFSERVE_ACCESS_LOG": "off"}, "access_log", "access_log", True, "flag --access-log"),
    ({"log_level": "debug"}, {}, "log_level", "log_level", "DEBUG", "flag --log-level"),
    ({}, {"PF_LOGGING_LEVEL": "FATAL"}, "log_level", "log_level", "CRITICAL", "environment PF_LOGGING_LEVEL"),
    ({}, {"PF_LOGGING_LEVEL": "info"}, "log_level", "log_level", "INFO", "default, PF_LOGGING_LEVEL is unusable"),
    ({}, {"PF_LOG_FORMAT": "%(message)s"}, "log_pattern", "log_pattern", "%(message)s", "environment PF_LOG_FORMAT"),
    ({}, {}, "body_limit_mb", "body_limit_bytes", 100_000_000, "default"),
    ({"body_limit_mb": "0.5"}, {}, "body_limit_mb", "body_limit_bytes", 500_000, "flag --body-limit-mb"),
    ({}, {}, "max_connections", "max_connections", 10_000, "default"),
    ({}, {}, "cors", "cors", "*", "default"),
    ({"cors": "off"}, {}, "cors", "cors", "", "flag --cors"),
    ({"cors": "https://a.example:8"}, {}, "cors", "cors", "https://a.example:8", "flag --cors"),
    ({"pidfile": "/run/../run/p"}, {}, "pidfile", "pidfile", "/run/p", "flag --pidfile"),
    ({"preload": "off"}, {}, "preload", "preload", False, "flag --no-preload"),
    ({}, {"PFSERVE_PRELOAD": "false"}, "preload", "preload", False, "environment PFSERVE_PRELOAD"),
    ({}, {}, "line_timeout_s", "line_timeout_s", None, "default"),
    ({}, {"PF_LINE_TIMEOUT_SEC": "7"}, "line_timeout_s", "line_timeout_s", 7.0, "environment PF_LINE_TIMEOUT_SEC"),
    (
        {},
        {"PF_LINE_TIMEOUT_SEC": "7.5"},
        "line_timeout_s",
        "line_timeout_s",
        None,
        "default, PF_LINE_TIMEOUT_SEC is unusable",
    ),
    (
        {},
        {"PF_USE_SANDBOX_FOR_JINJA": "0"},
        "jinja_sandbox",
        "jinja_sandbox",
        True,
        "environment PF_USE_SANDBOX_FOR_JINJA",
    ),
    (
        {},
        {"PF_USE_SANDBOX_FOR_JINJA": "False"},
        "jinja_sandbox",
        "jinja_sandbox",
        False,
        "environment PF_USE_SANDBOX_FOR_JINJA",
    ),
    ({}, {"BUILD_INFO": "x=1"}, "build_info", "build_info", "x=1", "environment BUILD_INFO"),
    ({"env": ("PFSERVE_PORT=7",)}, {"PFSERVE_PORT": "9"}, "port", "port", 7, "flag --env PFSERVE_PORT"),
    ({"env": ("PFSERVE_PORT=",)}, {"PFSERVE_PORT": "9"}, "port", "port", 8080, "default"),
    ({"env": ("PFSERVE_PORT=7",), "port": "8"}, {}, "port", "port", 8, "flag --port"),
]


@pytest.mark.parametrize(("flags", "environ", "setting", "field", "value", "origin"), CHOSEN)
def test_the_highest_layer_wins_and_is_remembered(flags, environ, setting, field, value, origin):
    config = load(flags, environ)
    assert (getattr(config, field), config.origins[setting]) == (value, origin)
    assert type(getattr(config, field)) is type(value)


REFUSED = [
    # flags, environ, the whole text
    (
        {"connections": ("/", "/nowhere")},
        {},
        "connections = '/nowhere' (from flag --connections): "
        "expected a file or folder that exists, '/nowhere' is not there",
    ),
    (
        {},
        {"PFSERVE_CONNECTIONS": "/:/nowhere"},
        "connections = '/:/nowhere' (from environment PFSERVE_CONNECTIONS): "
        "expected a file or folder that exists, '/nowhere' is not there",
    ),
    ({"connection": ("a",)}, {}, "connection = 'a' (from flag --connection): expected NAME=OTHER"),
    ({"port": "x"}, {}, "port = 'x' (from flag --port): expected a whole number from 0 to 65535"),
    ({"port": ""}, {}, "port = '' (from flag --port): expected a whole number from 0 to 65535"),
    ({"port": "70000"}, {}, "port = '70000' (from flag --port): expected a whole number from 0 to 65535"),
    (
        {},
        {"PROMPTFLOW_WORKER_NUM": "0"},
        "workers = '0' (from environment PROMPTFLOW_WORKER_NUM): expected a whole number from 1 to 1024",
    ),
    (
        {"request_timeout_ms": "300001"},
        {},
        "request_timeout_ms = '300001' (from flag --request-timeout-ms): expected a whole number from 1 to 300000",
    ),
    ({"grace_s": "nan"}, {}, "grace_s = 'nan' (from flag --grace-s): expected a number from 0 to 86400"),
    ({"grace_s": "-1"}, {}, "grace_s = '-1' (from flag --grace-s): expected a number from 0 to 86400"),
    ({"host": "a b"}, {}, "host = 'a b' (from flag --host): expected a host name or an IP address"),
    ({"log_format": "xml"}, {}, "log_format = 'xml' (from flag --log-format): expected text or json"),
    (
        {"log_level": "loud"},
        {},
        "log_level = 'loud' (from flag --log-level):"
        " expected one of CRITICAL, FATAL, ERROR, WARN, WARNING, INFO, DEBUG, NOTSET",
    ),
    (
        {},
        {"PFSERVE_ACCESS_LOG": "maybe"},
        "access_log = 'maybe' (from environment PFSERVE_ACCESS_LOG): expected on, true, yes, 1 or off, false, no, 0",
    ),
    (
        {"cors": "a.example"},
        {},
        "cors = 'a.example' (from flag --cors): expected *, off, or one origin such as https://chat.example.com",
    ),
    (
        {"cors": "http://a\r\nx: y"},
        {},
        "cors = 'http://a\\r\\nx: y' (from flag --cors): expected *, off, or one origin such as https://chat.example.com",
    ),
    ({"outputs": "a,,b"}, {}, "outputs = 'a,,b' (from flag --outputs): expected names separated by commas"),
    (
        {},
        {"PROMPTFLOW_RESPONSE_INCLUDED_FIELDS": "a"},
        "outputs = 'a' (from environment PROMPTFLOW_RESPONSE_INCLUDED_FIELDS):"
        ' expected a JSON list of output names, such as ["answer"]',
    ),
    (
        {},
        {"PF_LOG_FORMAT": "%(nothing)s"},
        "log_pattern = '%(nothing)s' (from environment PF_LOG_FORMAT):"
        " expected a format of Python's logging, such as [%(asctime)s] %(message)s",
    ),
    ({"flow": "/no/such"}, {}, "flow = '/no/such' (from argument FLOW): no such file or folder"),
    ({"env": ("secret",)}, {}, "env = '…' (from flag --env): expected KEY=VALUE"),
    ({"env": ("A B=secret",)}, {}, "env = 'A B=…' (from flag --env): expected KEY=VALUE"),
    (
        {"env_file": "/no/such"},
        {},
        "env_file = '/no/such' (from flag --env-file): cannot be read: No such file or directory",
    ),
]


@pytest.mark.parametrize(("flags", "environ", "text"), REFUSED)
def test_a_bad_value_names_key_value_origin_and_what_is_allowed(flags, environ, text):
    with pytest.raises(ConfigError) as refused:
        load(flags, environ)
    assert str(refused.value) == text
    assert refused.value.exit_code == 2


WARNED = [
    ({}, {}, []),
    ({"workers": "5"}, {}, ["workers = 5 (from flag --workers): more than twice the 2 CPU cores"]),
    ({"workers": "5"}, AZURE | {"PFSERVE_MAX_CONCURRENT_REQUESTS": "4"}, ["clamped to 4, the maximum on Azure ML"]),
    ({}, AZURE, ["max_concurrent_requests = 1000 (default for Azure ML)"]),
    ({}, {"PF_LINE_TIMEOUT_SEC": "soon"}, ["expected a whole number from 1 to 1000000000; the default counts: none"]),
    ({}, {"PF_LOGGING_LEVEL": "debug"}, ["the default counts: INFO"]),
    (
        {},
        {"PF_USE_SANDBOX_FOR_JINJA": "false"},
        ["Jinja's sandbox is off (from environment PF_USE_SANDBOX_FOR_JINJA): prompts can run any code"],
    ),
]


@pytest.mark.parametrize(("flags", "environ", "parts"), WARNED)
def test_what_is_unwise_is_honoured_with_a_warning(flags, environ, parts):
    warnings = load(flags, environ).warnings
    assert len(warnings) == len(parts)
    assert all(part in warning for part, warning in zip(parts, warnings, strict=True))


def test_a_variable_that_is_not_ours_but_looks_so_is_told():
    """Without its value, which may be a secret."""
    environ = {"PFSERVE_WORKERS": "4", "PFSERVE_MAX_REQUEST": "5", "PFSERVE_SECRET": "hush", "PFSERVE_ARM_ENDPOINT": ""}
    assert load({}, environ).warnings == (
        "PFSERVE_MAX_REQUEST is no variable of pfserve, and is ignored; did you mean 'PFSERVE_MAX_REQUESTS'?",
        "PFSERVE_SECRET is no variable of pfserve, and is ignored",
        "PFSERVE_WORKERS is no variable of pfserve, and is ignored; --workers has PROMPTFLOW_WORKER_NUM",
    )


def test_what_kubernetes_says_of_a_service_is_nobodys_mistake():
    environ = {
        "PFSERVE_SERVICE_HOST": "10.0.0.7",
        "PFSERVE_SERVICE_PORT_HTTP": "80",
        "PFSERVE_PORT_80_TCP_ADDR": "10.0.0.7",
        "PFSERVE_CANARY_PORT": "tcp://10.0.0.8:80",
        "PFSERVE_CANARY_SERVICE_PORT": "80",
    }
    assert load({}, environ).warnings == ()


def test_what_kubernetes_says_of_a_service_called_pfserve_is_told_to_be_ignored():
    assert load({}, {"PFSERVE_PORT": "tcp://10.0.0.7:80", "PFSERVE_ADMIN_PORT": "9"}).notices == (
        "PFSERVE_PORT = 'tcp://10.0.0.7:80' is ignored: Kubernetes tells of a Service with that name",
    )
    with pytest.raises(ConfigError, match="expected a whole number"):
        load({}, {"PFSERVE_PORT": "tcp://10.0.0.7"})


def test_variables_without_a_meaning_here_are_ignored_with_one_line_each():
    notices = load({}, {"PROMPTFLOW_SERVING_ENGINE": "fastapi", "PROMPTFLOW_RUN_MODE": "serving"}).notices
    assert [notice.split(":")[0] for notice in notices] == [
        "PROMPTFLOW_SERVING_ENGINE = 'fastapi' is ignored",
        "PROMPTFLOW_RUN_MODE = 'serving' is ignored",
    ]


def test_env_wins_over_the_env_file_and_both_are_kept_for_the_flow(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("PFSERVE_PORT=1\nPFSERVE_HOST=0.0.0.0\n")
    config = load({"env_file": str(file), "env": ("PFSERVE_PORT=2", "A=b=c", "E=")}, {"PFSERVE_HOST": "::1"})
    assert (config.port, config.origins["port"]) == (2, "flag --env PFSERVE_PORT")
    assert (config.host, config.origins["host"]) == ("0.0.0.0", "--env-file PFSERVE_HOST")
    assert config.environment == {"PFSERVE_PORT": "2", "PFSERVE_HOST": "0.0.0.0", "A": "b=c", "E": ""}


# -- The flow --------------------------------------------------------------------------------------


def folders(base: Path, *paths: str) -> Path:
    for path in paths:
        (base / path).mkdir(parents=True)
    return base


def test_the_flow_is_the_argument_then_the_project_then_the_model_then_here(tmp_path: Path, monkeypatch):
    folders(tmp_path, "argument", "project", "models/b", "models/a", "here")
    monkeypatch.chdir(tmp_path / "here")
    model = {"AZUREML_MODEL_DIR": str(tmp_path / "models")}
    project = model | {"PROMPTFLOW_PROJECT_PATH": str(tmp_path / "project")}

    def flow(flags, environ):
        config = load_config(flags, environ, cores=1)
        return Path(config.flow).relative_to(tmp_path).as_posix(), config.origins["flow"]

    assert flow({"flow": "../argument"}, project) == ("argument", "argument FLOW")
    assert flow({}, project) == ("project", "environment PROMPTFLOW_PROJECT_PATH")
    assert flow({}, model) == ("models/a", "environment AZUREML_MODEL_DIR")
    assert flow({}, {}) == ("here", "default")


@pytest.mark.parametrize("model", ["", "missing"])
def test_an_empty_or_missing_model_folder_is_refused(tmp_path: Path, model: str):
    with pytest.raises(ConfigError, match="expected a folder that holds the model's folder"):
        load_config({}, {"AZUREML_MODEL_DIR": str(tmp_path / model)}, cores=1)


def test_a_promptflow_export_is_served_as_before(tmp_path: Path):
    folders(tmp_path, "flow/.promptflow", "connections")
    assert load({"flow": str(tmp_path / "flow")}).max_concurrent_requests == 10
    (tmp_path / "flow" / ".promptflow" / "flow.tools.json").touch()
    config = load({"flow": str(tmp_path / "flow")})
    assert (config.max_concurrent_requests, len(config.warnings)) == (1000, 1)
    assert config.origins["max_concurrent_requests"] == "default for a promptflow export"


# -- Any input -------------------------------------------------------------------------------------

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["0", "1", "-1", "1e400", "9" * 5000, "\udcff", "[" * 100_000, "%", "%(x)s"]
)
NAMES = [setting.name for setting in SETTINGS if setting.flag]
VARIABLES = [name for setting in SETTINGS for name in setting.variables] + ["AZUREML_MODEL_DIR", "AML_APP_ROOT"]


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*NAMES, "flow", "env_file"]), TEXTS, max_size=3),
    st.dictionaries(st.sampled_from(VARIABLES), TEXTS, max_size=3),
    st.lists(TEXTS, max_size=2),
)
def test_garbage_is_refused_by_config_errors_only(flags, environ, env):
    try:
        config = load_config({"flow": "/", "env": env, **flags}, environ, cores=CORES)
    except ConfigError as refused:
        assert refused.origin
    else:
        assert set(config.origins) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_every_parser_takes_any_text(setting, text):
    for parse in filter(None, (setting.parse, setting.parse_variable)):
        try:
            parse(text)
        except ValueError as refused:
            assert "expected" in str(refused)


def test_arguments_come_as_json_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "init.json").write_text('{"b": [1]}')
    given = load_config({"flow": "/", "init": '{"a": "x"}'}, {"PF_FLOW_INIT_CONFIG": '{"c": 1}'}, cores=1)
    assert (given.init, given.origins["init"]) == ({"a": "x"}, "flag --init")
    assert load_config({"flow": "/", "init": f"@{tmp_path}/init.json"}, {}, cores=1).init == {"b": [1]}
    variable = load_config({"flow": "/"}, {"PF_FLOW_INIT_CONFIG": '{"c": 1}'}, cores=1)
    assert (variable.init, variable.origins["init"]) == ({"c": 1}, "environment PF_FLOW_INIT_CONFIG")
    assert load_config({"flow": "/"}, {}, cores=1).init == {}


@pytest.mark.parametrize("text", ["s3cret", '"s3cret"', '["s3cret"]', '{"key": "s3cret"'])
def test_arguments_that_are_none_are_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="can't be deserialized to json") as refused:
        load_config({"flow": "/"}, {"PF_FLOW_INIT_CONFIG": text}, cores=1)
    assert "s3cret" not in str(refused.value)
