"""Trials over TLS: a certificate that is trusted, one that is not, and one that nobody asks about."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from puppet import OK, answering, puppet

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def run(authority, tmp_path):
    """Loads a server whose certificate is for 127.0.0.1, five times; gives the outcomes and causes that came."""

    def load(*args: str, **environment: str) -> tuple[dict[str, Any], int]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with puppet(answering(OK), context) as server:
            argv = (sys.executable, "-m", "bench", "run", server.url, "--data", "{}", "--users", "1", "--count", "5")
            done = subprocess.run(
                (*argv, "--out", str(tmp_path), "--format", "json", *args),
                cwd=CHECKOUT, env=os.environ | environment, capture_output=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode != 2, done.stderr.decode().replace("\n", " ")
            summary = json.loads(done.stdout)
            return summary["outcomes"] | summary["causes"], server.connections

    return load


def test_a_trusted_certificate(run, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    counts, connections = run(SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    assert counts["success"] == 5
    assert connections == 1 + 1 + 1  # whether anybody is there, whether it is who it says, and one for everything


def test_an_unknown_certificate_is_told_before_anything_is_measured(run):
    with pytest.raises(AssertionError, match=r"its certificate is not trusted: unable to get local issuer.*--insecure"):
        run()


def test_any_certificate_if_asked_for(run):
    assert run("--insecure")[0]["success"] == 5
