"""What differs from promptflow on purpose is written down for users as well as for the replay."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_allowed_difference_names_a_row_that_is_explained() -> None:
    told = re.findall(r"^\| (\d+) \|", (DOCS / "differences.md").read_text(), re.MULTILINE)
    for request, reason in json.loads((DOCS / "differences.json").read_text()).items():
        row = re.match(r"contract 10\.[1-4] row (\d+) \((?:Fix|Opt)\): \S", reason)
        assert row, f"{request}: {reason}"
        assert row[1] in told, f"differences.md does not tell of row {row[1]}"
