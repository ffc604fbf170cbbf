from __future__ import annotations

import pytest

from bench.trial import veil


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("server", "--port", "{port}", "--workers=2"), ("server", "--port", "{port}", "--workers=2")),
        (("env", "OPENAI_API_KEY=sk-1", "server"), ("env", "OPENAI_API_KEY=***", "server")),
        (("--env", "API_KEY=a=b", "--env=DB_PASSWORD=c"), ("--env", "API_KEY=***", "--env=DB_PASSWORD=***")),
        (("--api-key", "sk-1", "--token", "t", "-x"), ("--api-key", "***", "--token", "***", "-x")),
        (("--tls-key", "--host", "h"), ("--tls-key", "--host", "h")),
        (("--text", "a=b"), ("--text", "a=b")),
    ],
)
def test_of_a_command_line_values_that_are_named_as_secrets_are_hidden(argv, shown):
    assert veil.command(argv) == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/score", "/score"), ("/score?code=s3cret&v=2", "/score?code=***&v=***"), ("/score?flag", "/score?flag")],
)
def test_of_an_address_the_values_of_the_query_are_hidden(path, shown):
    assert veil.path(path) == shown
