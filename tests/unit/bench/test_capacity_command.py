from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from bench.capacity import plan, slo, together
from bench.cli import main

QUICK = ("--service", "100ms", "--blocking", "all", "--threads", "4", "--sku", "Standard_D2as_v4")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Simulations of few requests: what they give is tested elsewhere."""
    for simulates in (slo.reach, slo.forecast):
        monkeypatch.setitem(simulates.__kwdefaults__, "requests", 1000)
    monkeypatch.setattr(together, "_REQUESTS", 1000)
    monkeypatch.setattr(plan, "_SKU_REQUESTS", 1000)


def ask(*options):
    return CliRunner().invoke(main, ["capacity", *options])


def test_the_fleets_percentiles_have_intervals():
    done = ask(*QUICK, "--rate", "100", "--format", "json")
    whole = json.loads(done.output)["fleet"]["whole"]
    for figure in ("p95_s", "p99_s", "refusal_rate"):
        assert whole[figure]["low"] <= whole[figure]["value"] <= whole[figure]["high"]


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


@pytest.mark.parametrize(
    "options",
    [
        ("--rate", "-5"),
        ("--rate", "0"),
        ("--speed", "-1"),
        ("--headroom", "-0.1"),
        ("--headroom", "1"),
        ("--zones", "1"),
        ("--at-least", "0"),
        ("--slo", "p101<1s"),
        ("--slo", "fast"),
        ("--max-refusals", "1"),
        ("--cpu", "1s"),  # of a request of 100 ms
        ("--cpu", "-1s"),
        ("--service", "lognormal:1s,nan"),
        ("--service", "p50=2s,p95=1s"),
        ("--service", "0s"),
        ("--blocking", "some"),
        ("--phase", "beside 1s"),  # beside --service: two sources
        ("--sku", "Standard_D3as_v4"),
        ("--measured-on", "laptop"),
        ("--points", "1:2,3"),
        ("--points", "1:10,2:20,3:30"),
        ("--points", "1:10,2:0,3:30,4:40"),
        ("--tokens", "5", "--prompt-tokens", "3"),
        ("--trace", "nowhere.csv"),
        ("--prices", "nowhere.csv"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(options):
    done = ask(*QUICK, *options)
    assert done.exit_code == 2 and "Error: " in done.output and "Traceback" not in done.output, done.output


@pytest.mark.parametrize(
    "content, words",
    [
        ("Standard_D2as_v4,0,21\n", "line 1: write a machine and the price of an hour"),
        ("sku,price\nStandard_D2as_v4,-1\n", "line 2"),
        ("Standard_D2as_v4,nan\n", "line 1"),
        ("Standard_D2as_v4\n", "line 1"),
        ("Standard_NC24ads_A100_v4,3.7\n", "no machine that is known is in it"),
        ("", "no machine that is known is in it"),
    ],
)
def test_prices_that_are_wrong(tmp_path, content, words):
    (tmp_path / "prices.csv").write_text(content)
    done = ask(*QUICK, "--prices", str(tmp_path / "prices.csv"))
    assert done.exit_code == 2 and words in " ".join(done.output.split()), done.output


def test_prices_are_found_however_a_machine_is_written(tmp_path):
    (tmp_path / "prices.csv").write_text("\ufeffSKU,price\n# of today\n\nstandard_d2AS_v4, 0.5\nStandard_X1,9\n")
    done = ask(*QUICK, "--rate", "100", "--prices", str(tmp_path / "prices.csv"), "--format", "json")
    (machine,) = json.loads(done.output)["fits"]
    assert machine["per_hour"] == 0.5 * machine["instances"]


def test_a_trace_of_one_request_and_a_day_of_it(tmp_path):
    (tmp_path / "one.csv").write_text("time\n7\n")
    done = ask(*QUICK, "--trace", str(tmp_path / "one.csv"))
    assert done.exit_code == 0 and "busiest minute 1 requests/s" in done.output, done.output


def test_a_promise_that_nothing_keeps_is_not_deployed(tmp_path):
    files = tmp_path / "a.yaml", tmp_path / "k.yaml"
    done = ask(*QUICK, "--slo", "p95<50ms", "--azure-yaml", str(files[0]), "--kubernetes-yaml", str(files[1]))
    assert done.exit_code == 1 and not any(file.exists() for file in files)


def test_phases_are_told_in_turn():
    phases = ("--phase", "blocking 20ms cpu 5ms", "--phase", "beside lognormal:1.2s,0.5")
    done = ask(*phases, "--slo", "p95<4s", "--sku", "Standard_D2as_v4")
    assert done.exit_code == 0, done.output
    assert "as told: mean 1.3" in done.output  # 20 ms and a mean of 1.2 s x exp(0.125)
    assert "a request: 5 ms of CPU, 20 ms on a slot" in done.output


def test_no_more_is_known_than_was_told():
    assert "the CPU of a request is not known" in ask(*QUICK).output


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
