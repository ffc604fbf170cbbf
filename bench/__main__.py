"""``python -m bench`` in a checkout, ``python -m pfserve_bench`` from the wheel."""

from .cli import main

if __name__ == "__main__":
    main()
