"""Shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Servers of the tests have an admin port only where a test asks for one: the default one is one a machine.
os.environ["PFSERVE_ADMIN_PORT"] = "0"

sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long campaigns")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long campaign: --long runs it")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)
