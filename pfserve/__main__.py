"""``python -m pfserve``."""

from pfserve.cli import main

main(prog_name="pfserve")
