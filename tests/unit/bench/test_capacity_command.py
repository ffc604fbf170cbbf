from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from bench.cli import main

QUICK = ("--service", "100ms", "--blocking", "all", "--threads", "4", "--sku", "Standard_D2as_v4")


def ask(*options):
    return CliRunner().invoke(main, ["capacity", *options])


def test_words_come_first_and_closed_forms_stand_beside_the_simulation():
    done = ask(*QUICK, "--rate", "100")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("One instance takes ")
    assert "Azure's one line, ceil(rate x p95 / 0.7 / 12), says 2" in done.output
    assert "M/G/8 at the limit" in done.output


def test_a_promise_that_nothing_keeps_is_said_with_the_nearest():
    done = ask(*QUICK, "--slo", "p95<50ms", "--rate", "100")
    assert done.exit_code == 1
    assert done.output.startswith("NO RATE KEEPS THE PROMISE") and "Nearest: even at" in done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "trace"), ("time\n", "trace")],
)
def test_an_empty_trace_is_no_day(tmp_path, content, words):
    trace = tmp_path / "day.csv"
    trace.write_text(content)
    done = ask(*QUICK, "--trace", str(trace))
    assert done.exit_code == 2 and words in done.output
    assert "Traceback" not in done.output


def test_a_log_and_a_record_with_nothing_in_them(tmp_path):
    for name, before in (("empty.log", ["--from-log"]), ("empty.pftrial", [])):
        (tmp_path / name).write_text("")
        done = ask(*before, str(tmp_path / name), "--blocking", "all")
        assert done.exit_code == 2 and name in done.output, done.output


def test_a_prometheus_that_is_not_there():
    done = ask("--from-prometheus", "http://127.0.0.1:9", "--blocking", "all")
    assert done.exit_code == 2 and "127.0.0.1:9" in done.output


@pytest.mark.parametrize("option", ["--output", "--azure-yaml", "--kubernetes-yaml"])
def test_a_full_disk_is_a_sentence(option):
    done = ask(*QUICK, option, "/dev/full")
    assert done.exit_code == 1 and "/dev/full: No space left on device" in done.output


def test_the_name_of_the_output_decides_its_kind(tmp_path):
    for name, begins in (("plan.json", "{"), ("plan.md", "One instance"), ("plan.html", "<!doctype html>")):
        done = ask(*QUICK, "-o", str(tmp_path / name))
        assert done.exit_code == 0 and not done.output
        assert (tmp_path / name).read_text().startswith(begins)


def test_what_azure_is_told(tmp_path):
    done = ask(*QUICK, "--rate", "100", "--max-concurrent-requests", "12", "--azure-yaml", str(tmp_path / "d.yaml"))
    assert done.exit_code == 0, done.output
    told = yaml.safe_load((tmp_path / "d.yaml").read_text())
    assert told["instance_count"] >= 3
    assert told["request_settings"]["max_concurrent_requests_per_instance"] == 6  # the front end lets in twice as many
    assert told["environment_variables"]["PFSERVE_MAX_CONCURRENT_REQUESTS"] == "12"
    assert told["environment_variables"]["PROMPTFLOW_WORKER_THREADS"] == "4"


@pytest.mark.parametrize("autoscaler", ["keda", "hpa"])
def test_both_autoscalers_have_one_target(tmp_path, autoscaler):
    file = tmp_path / "k.yaml"
    done = ask(*QUICK, "--rate", "500", "--autoscaler", autoscaler, "--kubernetes-yaml", str(file), "--name", "flow")
    assert done.exit_code == 0, done.output
    deployment, scaler = yaml.safe_load_all(file.read_text())
    assert deployment["metadata"]["name"] == scaler["metadata"]["name"] == "flow"
    assert "replicas" not in deployment["spec"]
    spec = scaler["spec"]
    assert spec["scaleTargetRef"]["name"] == "flow"
    if autoscaler == "keda":
        least, most, target = (
            spec["minReplicaCount"],
            spec["maxReplicaCount"],
            spec["triggers"][0]["metadata"]["threshold"],
        )
    else:
        assert (scaler["apiVersion"], scaler["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
        metric = spec["metrics"][0]["pods"]
        assert metric["metric"]["name"] == "pfserve_requests_inside"
        least, most, target = spec["minReplicas"], spec["maxReplicas"], metric["target"]["averageValue"]
    assert 3 <= least <= most
    assert 1 <= int(target) <= 64  # never more than there are places
