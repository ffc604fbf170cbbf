"""The command ``pfserve stub-llm``."""

from __future__ import annotations

import sys

import click

_RATE = click.FloatRange(0.0, 1.0)
_POSITIVE = click.FloatRange(0.0)
_WHOLE = click.IntRange(0)


@click.command("stub-llm")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", metavar="N", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="0: any.")
@click.option("--seed", metavar="N", type=int, default=0, help="Another seed, other answers.")
@click.option("--latency-ms", metavar="MS", type=_POSITIVE, default=0.0, help="Until the first token.")
@click.option(
    "--latency-dist",
    metavar="DIST",
    default="constant",
    show_default=True,
    help="Or lognormal:MEDIAN_MS,SIGMA, or file:PATH with a latency in ms a line. Drawn by --seed.",
)
@click.option(
    "--tokens-per-s", metavar="N", type=_POSITIVE, default=0.0, help="After the first. [default: all at once]"
)
@click.option("--answer-tokens", metavar="N", type=_WHOLE, default=0, help="Length of an answer. [default: 16 to 40]")
@click.option("--rpm", metavar="N", type=_WHOLE, default=0, help="Requests per minute, then 429. [default: no limit]")
@click.option("--tpm", metavar="N", type=_WHOLE, default=0, help="Tokens per minute, then 429. [default: no limit]")
@click.option("--failure-rate", metavar="P", type=_RATE, default=0.0, help="Share of requests that fail, 0 to 1.")
@click.option("--failure-status", metavar="N", type=click.IntRange(400, 599), default=500, help="How. [default: 500]")
@click.option("--cut-rate", metavar="P", type=_RATE, default=0.0, help="Share of answers that break off half-way.")
@click.option("--api-key", metavar="KEY", default="", help="Answer 401 without this key. [default: any key, and none]")
@click.option("--tls-cert", metavar="FILE", default="", help="PEM file with the certificate: serve HTTPS.")
@click.option("--tls-key", metavar="FILE", default="", help="PEM file with its key. [default: that of --tls-cert]")
@click.option("--deployment", metavar="NAME", multiple=True, help="A model that exists. Repeatable. [default: all]")
def stub_llm(
    *,
    host: str,
    port: int,
    seed: int,
    latency_ms: float,
    latency_dist: str,
    tokens_per_s: float,
    answer_tokens: int,
    rpm: int,
    tpm: int,
    failure_rate: float,
    failure_status: int,
    cut_rate: float,
    api_key: str,
    tls_cert: str,
    tls_key: str,
    deployment: tuple[str, ...],
) -> None:
    """Run a stand-in for OpenAI and Azure OpenAI until a signal ends it.

    Prints its URL in one line when it listens. The same request gets the same answer; chance (--latency-dist,
    --failure-rate, --cut-rate) repeats itself by the order in which requests come. A prompt may ask for its failure
    by [[stub:503]], [[stub:429x2]] (twice, then it is answered) or [[stub:cut]]. GET /stats counts
    the calls and the TLS handshakes.
    """
    from pfserve.config.tls import load_tls
    from pfserve.stub import StubSettings, open_listener, parse_latency, run_stub, url_of

    settings = StubSettings(
        seed=seed,
        latency=parse_latency(latency_dist, latency_ms / 1000),
        tokens_per_s=tokens_per_s,
        answer_tokens=answer_tokens,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        failure_rate=failure_rate,
        failure_status=failure_status,
        cut_rate=cut_rate,
        api_key=api_key,
        deployments=deployment,
    )
    tls = load_tls(tls_cert, tls_key, dict.fromkeys(("tls_cert", "tls_key"), "command line"))
    listener = open_listener(host, port)
    click.echo(f"stub-llm serving on {url_of(listener, 'https' if tls else 'http')}")
    sys.stdout.flush()
    sys.exit(run_stub(settings, listener, tls))
