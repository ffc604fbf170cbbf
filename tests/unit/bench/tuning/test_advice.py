from __future__ import annotations

import subprocess

import pytest
import yaml

from bench.mistake import Mistake
from bench.tuner import Setting
from bench.tuning import advice

SETTING = Setting(2, 16, 127)
DEPLOYMENT = """\
# ours
name: blue
environment_variables:
  KEY: "value"  # stays
  PROMPTFLOW_WORKER_NUM: "8"
request_settings:
  request_timeout_ms: 120000
"""


def test_flags_and_environment():
    assert advice.flags(SETTING) == "--workers 2 --threads 16 --max-concurrent-requests 127"
    assert advice.environment(SETTING)["PFSERVE_MAX_CONCURRENT_REQUESTS"] == "127"


def test_azure_is_told_half_of_what_the_container_takes():
    told = yaml.safe_load(advice.snippet(SETTING))
    assert told["request_settings"] == {"max_concurrent_requests_per_instance": 64}
    assert told["environment_variables"] == {
        "PROMPTFLOW_WORKER_NUM": "2",
        "PROMPTFLOW_WORKER_THREADS": "16",
        "PFSERVE_MAX_CONCURRENT_REQUESTS": "127",
    }


def test_the_patch_applies_and_changes_nothing_else(tmp_path):
    file = tmp_path / "deployment.yaml"
    file.write_text(DEPLOYMENT)
    patch = advice.patch(SETTING, file)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert file.read_text() == (
        DEPLOYMENT.replace(
            '"8"\n', "\"2\"\n  PROMPTFLOW_WORKER_THREADS: '16'\n  PFSERVE_MAX_CONCURRENT_REQUESTS: '127'\n"
        )
        + "  max_concurrent_requests_per_instance: 64\n"
    )
    assert advice.patch(SETTING, file) == ""


def test_a_deployment_without_these_parts_gets_them(tmp_path):
    file = tmp_path / "deployment.yaml"
    file.write_text("name: blue\n")
    assert "+environment_variables:\n" in advice.patch(SETTING, file)


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", ""])
def test_what_is_no_deployment(tmp_path, text):
    file = tmp_path / "deployment.yaml"
    file.write_text(text)
    with pytest.raises(Mistake, match=r"deployment\.yaml"):
        advice.patch(SETTING, file)
