"""The whole answer, and what it warns of. Simulations are short here: what they give is tested elsewhere."""

from __future__ import annotations

import datetime
import math

import msgspec
import pytest
import yaml

from bench.capacity import azure, page, patch, slo, together
from bench.capacity import plan as plan_module
from bench.capacity.demand import Demand, Phase, Times
from bench.capacity.fleet import Safety, Spare
from bench.capacity.given import Given
from bench.capacity.instance import Shape
from bench.capacity.plan import Plan, Question, plan
from bench.capacity.slo import Slo
from bench.capacity.traffic import Traffic
from bench.capacity.usl import fit

TODAY = datetime.date(2026, 11, 1)
EVEN = Times((0.1,))
ASKED = Question(
    given=Given(origin="measured", times=EVEN, count=500, rates_per_s=(5, 90), memory_bytes=200 * 2**20),
    demand=Demand((Phase(EVEN, True, 0.5),)),
    shape=Shape(8, 2, 16),
    slo=Slo(95, 0.5, 0.01),
    safety=Safety(0.2, Spare.INSTANCE, 3, 3),
    workers=2,
    threads=4,
)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for simulates in (slo.reach, slo.forecast):
        monkeypatch.setitem(simulates.__kwdefaults__, "requests", 1000)
    monkeypatch.setattr(together, "_REQUESTS", 1000)
    monkeypatch.setattr(plan_module, "_SKU_REQUESTS", 1000)


def ask(**fields) -> Plan:
    return plan(msgspec.structs.replace(ASKED, **fields), TODAY)


def given(**fields) -> Given:
    return msgspec.structs.replace(ASKED.given, **fields)


def fits(**fields):
    found = ask(per_s=100.0, **fields)
    return {fit.sku.name: fit for fit in found.fits}


def skus(*names):
    return [azure.sku(name) for name in names]


def doubted(answer: Plan, words: str) -> bool:
    return any(words in doubt for doubt in answer.doubts)


def test_an_instance_a_rate_and_everything_that_follows():
    answer = ask(per_s=100.0)
    each = answer.reach.per_s
    assert each.low < each.value < each.high and 25 < each.value < 45  # two cores, 50 ms of CPU: 40 at most
    assert answer.fleet.instances == ASKED.safety.instances(100, each.value)
    assert answer.fleet.whole.is_kept and answer.fleet.after_loss.is_kept
    assert answer.fleet.whole.p99_s.low <= answer.fleet.whole.p99_s.value <= answer.fleet.whole.p99_s.high
    assert answer.rule == (  # 8 slots, half as many again below 200 ms
        type(answer.rule)(0.1, 12, pytest.approx(0.7 * 12 / 0.1), math.ceil(100 * 0.1 / 0.7 / 12))
    )
    words = page.text(answer)
    assert "Together they would give p95 " in words and "With the instance lost p95 would be " in words


def test_the_same_seed_gives_the_same_plan():
    assert ask(per_s=100.0) == ask(per_s=100.0)


def test_a_zone_that_is_lost_takes_a_third():
    answer = ask(per_s=100.0, safety=Safety(0.2, Spare.ZONE, 3, 3))
    assert answer.fleet.instances % 3 == 0 and answer.fleet.after_loss.is_kept


def test_a_fleet_that_bursts_break_is_not_called_enough():
    burst = Traffic.of(sorted(float(at // 100) for at in range(100 * 90)))  # a hundred in each first moment
    answer = ask(traffic=burst)
    assert not answer.fleet.whole.is_kept and doubted(answer, "BREAK the promise")


def test_fewer_than_three_are_told():
    assert doubted(ask(per_s=10.0, safety=Safety(0.2, Spare.NONE, 3, 1)), "not highly available")
    assert not doubted(ask(per_s=10.0), "not highly available")


def test_a_day_has_hours_a_lag_and_an_autoscaler():
    minutes = [20.0] * 120 + [200.0] * 60
    answer = ask(traffic=Traffic.of_rates(minutes, 60), lag_s=15 * 60)
    assert answer.fleet.per_s == 200 and [hour.peak_per_s for hour in answer.day.hours] == [20, 200, 200]
    assert answer.day.rises_per_s == 180 and answer.day.autoscaled.short_minutes == 16
    words = page.text(answer)
    assert (
        "is short in 16 minutes; with never fewer than " in words
        and "from  peak" in words
        and "busiest second" not in words
    )


@pytest.mark.parametrize("count, cores", [(3, 2), (7, 4)])
def test_the_quota_is_a_fifth_more_in_whole_instances(count, cores):
    machine = skus(f"Standard_D{cores}as_v4")[0]
    fit_ = fits(skus=[machine], safety=Safety(0.0, Spare.NONE, 3, count))[machine.name]
    assert fit_.instances == count and fit_.quota == math.ceil(1.2 * count) * cores


def test_machines_with_speed_price_memory_and_what_speaks_against_them():
    found = fits(
        skus=skus("Standard_D2as_v4", "Standard_F4s_v2", "Standard_E2s_v3", "Standard_FX4mds"),
        measured_on=azure.sku("Standard_F2s_v2"),
        prices={"Standard_D2as_v4": 0.1},
    )
    das, f4, e2, fx = found.values()
    assert das.each_per_s / e2.each_per_s == pytest.approx(1.09 / 0.74, rel=0.15)  # bound by cores
    assert f4.each_per_s > 1.7 * das.each_per_s
    assert das.per_hour == pytest.approx(0.1 * das.instances) and f4.per_hour is None
    assert das.warnings == [] and "retires on 2028-11-15" in f4.warnings and "new subscriptions" in f4.warnings[1]
    assert (das.memory, fx.instances, fx.warnings) == ("fits", None, ["no published speed: measure on it"])
    row = next(row for row in page.text(ask(skus=skus("Standard_E2s_v3"))).splitlines() if "Standard_E2s_v3" in row)
    assert " 0.74 " in row


def test_the_machine_that_was_measured_on_is_itself_published_or_not():
    machine = azure.sku("Standard_FX4mds")
    found = fits(skus=skus("Standard_FX4mds", "Standard_D4as_v4"), measured_on=machine, workers=4)
    assert found["Standard_FX4mds"].instances and found["Standard_D4as_v4"].instances is None
    assert doubted(ask(skus=skus("Standard_D4as_v4"), measured_on=machine), "nothing is said of other machines")


def test_machines_that_are_too_small_too_many_or_gone():
    large = fits(skus=skus("Standard_F2s_v2"), given=given(memory_bytes=8 * 2**30))
    assert large["Standard_F2s_v2"].memory == "too small"
    many = ask(per_s=3000.0, skus=skus("Standard_D2as_v4"))
    assert "more than the 50 instances of a deployment" in many.fits[0].warnings
    gone = plan(msgspec.structs.replace(ASKED, per_s=10.0, skus=skus("Standard_F4s_v2")), datetime.date(2028, 11, 15))
    assert gone.fits[0].warnings == ["is retired"] and gone.fits[0].instances is None


def test_more_workers_are_worth_what_the_law_says():
    law = fit([(1, 100), (2, 160), (4, 220), (8, 240)])
    with_law = fits(skus=skus("Standard_F8s_v2"), usl=law, usl_over="workers")["Standard_F8s_v2"]
    without = fits(skus=skus("Standard_F8s_v2"))["Standard_F8s_v2"]
    assert with_law.each_per_s / without.each_per_s == pytest.approx(law.at(8) / law.at(1) / 8, rel=0.2)
    answer = ask(skus=skus("Standard_F16s_v2"), usl=law, usl_over="workers")
    assert doubted(answer, "fitted on 1 to 8 workers, beyond: Standard_F16s_v2")
    assert "residuals: " in page.text(answer) and "fitted on 1 to 8" in page.text(answer)


def test_beyond_what_was_measured_is_told():
    assert doubted(ask(given=given(rates_per_s=(5, 10))), "EXTRAPOLATED: an instance was measured at 5 to 10")
    assert not doubted(ask(), "an instance was measured at")
    assert doubted(ask(given=given(count=0)), "nothing was measured")


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"per_s": 600.0}, "500 requests/s"),
        ({"given": given(response_bytes=100_000.0), "per_s": 60.0}, "5 MB/s of bandwidth"),
        (
            {"demand": Demand((Phase(Times((10.0,)), False),)), "shape": Shape(2, 2, 500), "slo": Slo(95, 20, 0.01),
             "stream": True, "per_s": 60.0},
            "500 active connections",
        ),
    ],
)  # fmt: skip
def test_the_limit_of_an_endpoint_that_binds_first(fields, name):
    answer = ask(**fields)
    assert answer.ceilings[0].name == name
    assert f"ONE MANAGED ENDPOINT DOES NOT TAKE IT: {name} bind first" in page.text(answer)


def test_a_second_with_more_than_an_endpoint_lets_in():
    spiky = Traffic(6000, 60.0, [100.0], 900.0)
    assert doubted(ask(traffic=spiky), "in the busiest second 900 requests come")
    assert not doubted(ask(traffic=spiky, per_s=100.0), "busiest second")


def test_tokens_of_prompts_and_answers_apart():
    answer = ask(per_s=10.0, given=given(prompt_tokens=500, completion_tokens=300, calls=2))
    assert (answer.models.tokens_per_minute, answer.models.prompt_per_minute) == (480_000, 300_000)
    assert (answer.models.completion_per_minute, answer.models.requests_per_minute) == (180_000, 1200)
    assert "480,000 tokens (300,000 of prompts, 180,000 of answers) and 1,200 requests a minute" in page.text(answer)
    together_ = ask(per_s=10.0, given=given(tokens=800)).models
    assert (together_.tokens_per_minute, together_.prompt_per_minute) == (480_000, None)
    assert ask(per_s=10.0).models is None


def test_tokens_of_prompts_that_no_record_holds_are_asked_for():
    assert doubted(ask(given=given(completion_tokens=300)), "--prompt-tokens")
    assert not doubted(ask(given=given(tokens=300)), "--prompt-tokens")


def test_a_promise_that_nothing_keeps():
    answer = ask(
        per_s=100.0, slo=Slo(95, 0.05, 0.01), traffic=Traffic.of([0.0, 30.0, 90.0]), skus=skus("Standard_D2as_v4")
    )
    assert not answer.reach.is_reached and answer.fleet is None and answer.day.hours == ()
    assert page.summary(answer)[0].startswith("NO RATE KEEPS THE PROMISE")
    assert "Nearest: even at " in page.summary(answer)[1] and "p95 100 ms" in page.summary(answer)[1]
    assert page.text(answer)


def test_a_timeout_that_nobody_meets_is_no_traceback():
    answer = ask(shape=Shape(8, 2, 16, deadline_s=0.05))
    assert not answer.reach.is_reached and "p95 never" in page.text(answer) and "100.00%" in page.text(answer)


def test_a_timeout_beyond_the_platforms_is_told_and_cut():
    answer = ask(per_s=10.0, shape=Shape(8, 2, 16, deadline_s=600))
    assert doubted(answer, "ends every request after 300 s")
    assert yaml.safe_load(patch.azure_yaml(answer))["request_settings"]["request_timeout_ms"] == 300_000


def test_what_azure_is_told():
    answer = ask(per_s=100.0, skus=skus("Standard_D2as_v4"), measured_on=azure.sku("Standard_D2as_v4"))
    text = patch.azure_yaml(answer)
    told = yaml.safe_load(text)
    assert text.startswith("# ") and told["instance_type"] == "Standard_D2as_v4"
    assert told["instance_count"] == answer.fits[0].instances
    assert told["request_settings"] == {"request_timeout_ms": 120_000, "max_concurrent_requests_per_instance": 8}
    assert told["environment_variables"] == {
        "PROMPTFLOW_WORKER_NUM": "2",
        "PROMPTFLOW_WORKER_THREADS": "4",
        "PFSERVE_MAX_CONCURRENT_REQUESTS": "16",
    }


@pytest.mark.parametrize("autoscaler", [patch.KEDA, patch.HPA])
def test_what_kubernetes_is_told(autoscaler):
    answer = ask(per_s=100.0, shape=Shape(8, 2, 16, deadline_s=30))
    deployment, scaler = yaml.safe_load_all(patch.kubernetes_yaml(answer, "flow", autoscaler))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] == 45 and "replicas" not in deployment["spec"]
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    share = answer.fleet.each.cores
    assert share * 1000 <= int(requests["cpu"].removesuffix("m")) < share * 1000 + 100 and limits["cpu"] == "2"
    assert requests["memory"] == limits["memory"] == "250Mi"
    assert {each["name"]: each["value"] for each in container["env"]} == {
        "PROMPTFLOW_WORKER_NUM": "2",
        "PROMPTFLOW_WORKER_THREADS": "4",
        "PFSERVE_MAX_CONCURRENT_REQUESTS": "16",
        "PFSERVE_REQUEST_TIMEOUT_MS": "30000",
    }
    target = math.floor(answer.reach.at.inside * 0.8)
    spec = scaler["spec"]
    if autoscaler == patch.KEDA:
        told = spec["minReplicaCount"], spec["maxReplicaCount"], int(spec["triggers"][0]["metadata"]["threshold"])
    else:
        told = spec["minReplicas"], spec["maxReplicas"], int(spec["metrics"][0]["pods"]["target"]["averageValue"])
    assert told == (3, answer.fleet.instances, target)


def test_replicas_that_must_always_run_are_the_days():
    minutes = [20.0] * 60 + [200.0] * 60
    answer = ask(traffic=Traffic.of_rates(minutes, 60), lag_s=3 * 60)
    _, scaler = yaml.safe_load_all(patch.kubernetes_yaml(answer, "flow"))
    floor = answer.day.autoscaled.floor
    assert 3 < floor <= answer.fleet.instances
    assert (scaler["spec"]["minReplicaCount"], scaler["spec"]["maxReplicaCount"]) == (floor, answer.fleet.instances)


def test_memory_that_is_not_known_is_not_made_up():
    answer = ask(per_s=100.0, given=given(memory_bytes=0), skus=skus("Standard_D2as_v4"))
    deployment, _ = yaml.safe_load_all(patch.kubernetes_yaml(answer, "flow"))
    assert "memory" not in deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert answer.fits[0].memory == "unknown"
