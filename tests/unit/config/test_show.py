"""What --show-config prints, as text."""

from __future__ import annotations

from pathlib import Path

from pfserve.config import load_config, show_config

GOLDEN = Path(__file__).parents[2] / "golden" / "show_config.txt"


def test_the_table_is_the_golden_one():
    flags = {
        "flow": "/",
        "host": "0.0.0.0",
        "request_timeout_ms": "1500",
        "preload": "off",
        "outputs": "answer,sources",
        "connection": ("a=b", "my conn = other"),
        "variant": ("a.b", "${c.d}"),
        "init": '{"model": "do-not-show", "key": 5}',
        "env": ("OPENAI_API_KEY=do-not-show", "A=b"),
    }
    environ = {"PROMPTFLOW_WORKER_NUM": "3", "PF_LINE_TIMEOUT_SEC": "20", "BUILD_INFO": "line\nbreak \udcff"}
    assert show_config(load_config(flags, environ, cores=2)) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_no_value_of_an_added_variable_is_shown():
    shown = show_config(load_config({"flow": "/", "env": ("KEY=s3cret",)}, {}, cores=2))
    assert "KEY" in shown
    assert "s3cret" not in shown
