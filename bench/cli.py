"""The commands of the measuring suite."""

from __future__ import annotations

import click

from .capacity_command import capacity_command
from .compare_command import compare_command
from .report_command import report_command
from .run_command import run_command
from .tune_command import tune_command


@click.group()
def main() -> None:
    """Measure pfserve and its peers."""


main.add_command(run_command)
main.add_command(report_command)
main.add_command(capacity_command)
main.add_command(tune_command)
main.add_command(compare_command)
