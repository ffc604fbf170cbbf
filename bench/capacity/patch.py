"""A plan as what can be deployed: the keys of an Azure deployment that it decides, and a manifest for Kubernetes."""

from __future__ import annotations

import math

import yaml

from . import azure
from .plan import Fit, Plan

KEDA, HPA = "keda", "hpa"  # autoscalers

_METRIC = "pfserve_requests_inside"
_MEMORY_ROOM = 1.25
_GRACE_S = 15  # for who stops serving before it is stopped
_DEFAULT_TIMEOUT_S = 120.0


def azure_yaml(plan: Plan) -> str:
    """What to put into the YAML of a managed online deployment.

    The front end lets in twice ``max_concurrent_requests_per_instance`` for each instance, so the container, which has
    all the places of the plan, is told of half of them there.
    """
    question = plan.question
    instances = plan.fleet.instances if plan.fleet else question.safety.least
    keys: dict[str, object] = {
        "instance_count": instances,
        "request_settings": {
            "request_timeout_ms": min(azure.LONGEST_TIMEOUT_MS, round(_timeout_s(plan) * 1000)),
            "max_concurrent_requests_per_instance": max(1, question.shape.places // 2),
        },
        "environment_variables": {
            "PROMPTFLOW_WORKER_NUM": str(question.workers),
            "PROMPTFLOW_WORKER_THREADS": str(question.threads),
            "PFSERVE_MAX_CONCURRENT_REQUESTS": str(question.shape.places),
        },
    }
    chosen = _chosen(plan)
    if chosen:
        keys = {"instance_type": chosen.sku.name, **keys, "instance_count": chosen.instances or instances}
    return _head(plan) + _dump(keys)


def kubernetes_yaml(plan: Plan, name: str, autoscaler: str = KEDA) -> str:
    """A patch for the Deployment ``name``, and an autoscaler on the requests inside each replica."""
    question = plan.question
    at = plan.fleet.each if plan.fleet else plan.reach.at
    resources: dict[str, dict[str, str]] = {
        "requests": {"cpu": f"{max(100, math.ceil(at.cores * 10) * 100)}m"},
        "limits": {"cpu": f"{math.ceil(question.shape.cores)}"},
    }
    if question.given.memory_bytes:
        mebibytes = math.ceil(question.given.memory_bytes * _MEMORY_ROOM / 2**20)
        resources["requests"]["memory"] = resources["limits"]["memory"] = f"{mebibytes}Mi"
    container = {"name": name, "env": _env(plan), "resources": resources}
    pod = {"terminationGracePeriodSeconds": math.ceil(_timeout_s(plan)) + _GRACE_S, "containers": [container]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}},  # no replicas: they are the autoscaler's
    }
    scaled = _scaled_object(plan, name) if autoscaler == KEDA else _horizontal(plan, name)
    return _head(plan) + _dump(deployment) + "---\n" + _dump(scaled)


def _scaled_object(plan: Plan, name: str) -> dict[str, object]:
    """KEDA's: it asks Prometheus itself."""
    trigger = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": "http://prometheus.monitoring:9090",
            "query": f'sum({_METRIC}{{app="{name}"}})',
            "threshold": str(_inside_target(plan)),
        },
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": _replicas(plan)[0],
            "maxReplicaCount": _replicas(plan)[1],
            "pollingInterval": 15,
            "triggers": [trigger],
        },
    }


def _horizontal(plan: Plan, name: str) -> dict[str, object]:
    """Kubernetes' own: the custom metrics API, such as prometheus-adapter's, must have the metric of each pod."""
    metric = {
        "type": "Pods",
        "pods": {
            "metric": {"name": _METRIC},
            "target": {"type": "AverageValue", "averageValue": str(_inside_target(plan))},
        },
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": _replicas(plan)[0],
            "maxReplicas": _replicas(plan)[1],
            "metrics": [metric],
        },
    }


def _inside_target(plan: Plan) -> int:
    """How many requests inside a replica call for another one."""
    return max(1, math.floor(plan.reach.at.inside * (1 - plan.question.safety.headroom)))


def _replicas(plan: Plan) -> tuple[int, int]:
    """The fewest, of which the lag of scaling out is told by the day, and the most."""
    autoscaled = plan.day.autoscaled if plan.day else None
    least = autoscaled.floor if autoscaled else plan.question.safety.least
    most = plan.fleet.instances if plan.fleet else least
    return min(most, least), most


def _env(plan: Plan) -> list[dict[str, str]]:
    question = plan.question
    told = {
        "PROMPTFLOW_WORKER_NUM": question.workers,
        "PROMPTFLOW_WORKER_THREADS": question.threads,
        "PFSERVE_MAX_CONCURRENT_REQUESTS": question.shape.places,
        "PFSERVE_REQUEST_TIMEOUT_MS": round(_timeout_s(plan) * 1000),
    }
    return [{"name": name, "value": str(value)} for name, value in told.items()]


def _timeout_s(plan: Plan) -> float:
    deadline_s = plan.question.shape.deadline_s
    return deadline_s if math.isfinite(deadline_s) else _DEFAULT_TIMEOUT_S


def _chosen(plan: Plan) -> Fit | None:
    """The machine that everything was measured on, if it is among those that fit."""
    return next((fit for fit in plan.fits if fit.sku == plan.question.measured_on and fit.instances), None)


def _head(plan: Plan) -> str:
    per_s = plan.reach.per_s.value
    return f"# {per_s:.3g} requests/s for each instance with {plan.question.slo}; by pfserve-bench capacity\n"


def _dump(document: object) -> str:
    dumped: str = yaml.safe_dump(document, sort_keys=False)
    return dumped
