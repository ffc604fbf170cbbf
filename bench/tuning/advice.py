"""A setting in the forms in which it is set."""

from __future__ import annotations

import difflib
import io
import math
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..mistake import Mistake
from ..tuner import Setting

FRONT_FACTOR = 2  # Azure's front end lets twice what a deployment says into an instance


def flags(setting: Setting) -> str:
    """For ``pfserve serve``."""
    return f"--workers {setting.workers} --threads {setting.threads} --max-concurrent-requests {setting.bound}"


def environment(setting: Setting) -> dict[str, str]:
    """For a container."""
    return {
        "PROMPTFLOW_WORKER_NUM": str(setting.workers),
        "PROMPTFLOW_WORKER_THREADS": str(setting.threads),
        "PFSERVE_MAX_CONCURRENT_REQUESTS": str(setting.bound),
    }


def deployment(setting: Setting) -> dict[str, Any]:
    """What a deployment.yaml says: the container takes what the front end lets through."""
    return {
        "environment_variables": environment(setting),
        "request_settings": {"max_concurrent_requests_per_instance": math.ceil(setting.bound / FRONT_FACTOR)},
    }


def snippet(setting: Setting) -> str:
    """The lines of a deployment.yaml."""
    out = io.StringIO()
    YAML().dump(deployment(setting), out)
    return out.getvalue()


def patch(setting: Setting, file: Path) -> str:
    """A unified diff that brings a deployment.yaml to the setting; nothing else in it changes. Raises Mistake."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    try:
        before = file.read_text(encoding="utf-8")
        told = yaml.load(before)
    except (OSError, UnicodeDecodeError, YAMLError) as problem:
        raise Mistake(f"{file}: {problem}") from problem
    if not isinstance(told, dict):
        raise Mistake(f"{file}: no deployment is in it")
    for key, values in deployment(setting).items():
        if not isinstance(told.get(key), dict):
            told[key] = {}
        told[key].update(values)
    out = io.StringIO()
    yaml.dump(told, out)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), out.getvalue().splitlines(keepends=True), f"a/{file.name}", f"b/{file.name}"
    )
    return "".join(lines)
