"""What BUILD_INFO makes of the version."""

import pytest

from pfserve.web.routes import build_number


@pytest.mark.parametrize(
    ("build_info", "version"),
    [
        ("", "1.2.3"),
        ("not json", "1.2.3"),
        ('{"build_number": "20261120.1"}', "20261120.1"),
        ('{"build_number": 7}', "7"),
        ('{"other": 7}', "1.2.3"),
        ("[1]", "1.2.3"),
    ],
)
def test_build_number(build_info: str, version: str) -> None:
    assert build_number(build_info, "1.2.3") == version
