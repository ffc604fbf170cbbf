from __future__ import annotations

import pytest

from bench import wrk

QUIET = """\
Running 1s test @ http://127.0.0.1:18377/score
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.07ms    4.09ms  41.21ms   89.69%
    Req/Sec    25.21k     1.86k   27.64k    70.00%
  Latency Distribution
     50%  361.00us
     75%    1.80ms
     90%    6.33ms
     99%   20.10ms
  25082 requests in 1.00s, 4.26MB read
Requests/sec:  25014.14
Transfer/sec:      4.25MB
"""

ALL_FAILED = """\
Running 1s test @ http://127.0.0.1:18378/score
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  611.60us   6.72ms   79.50%
    Req/Sec     3.70k     0.92k    5.14k    70.00%
  Latency Distribution
     50%    0.89ms
     75%    1.21ms
     90%    1.74ms
     99%    3.35ms
  3678 requests in 1.00s, 0.86MB read
  Non-2xx or 3xx responses: 3678
Requests/sec:   3675.20
Transfer/sec:      0.86MB
"""

RESET = """\
Running 1s test @ http://127.0.0.1:18391/
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    69.75us   50.44us   1.64ms   93.38%
    Req/Sec    17.60k     1.64k   18.92k    72.73%
  Latency Distribution
     50%   55.00us
     75%   95.00us
     90%  105.00us
     99%  208.00us
  19215 requests in 1.10s, 1.08MB read
  Socket errors: connect 0, read 9311, write 297, timeout 0
Requests/sec:  17469.96
Transfer/sec:      0.98MB
"""

SLOW = QUIET.replace("361.00us", "   1.25s").replace(" 20.10ms", "  1.02m")


@pytest.mark.parametrize(
    ("text", "requests_per_s", "p50_s", "p99_s", "failures"),
    [
        (QUIET, 25014.14, 0.000361, 0.0201, 0),
        (ALL_FAILED, 3675.2, 0.00089, 0.00335, 3678),
        (RESET, 17469.96, 0.000055, 0.000208, 9311 + 297),
        (SLOW, 25014.14, 1.25, 61.2, 0),
    ],
    ids=["quiet", "every answer refused", "connections reset", "seconds and minutes"],
)
def test_reads_what_wrk_prints(text, requests_per_s, p50_s, p99_s, failures):
    reading = wrk.parse(text)
    assert (reading.requests_per_s, reading.failures) == (requests_per_s, failures)
    assert (reading.p50_s, reading.p99_s) == pytest.approx((p50_s, p99_s))


def test_both_kinds_of_failure_add_up():
    both = RESET.replace("Requests/sec", "  Non-2xx or 3xx responses: 5\nRequests/sec")
    assert wrk.parse(both).failures == 9311 + 297 + 5


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_a_missing_figure_is_an_error_that_shows_the_text(text):
    with pytest.raises(ValueError, match="wrk printed nothing like") as caught:
        wrk.parse(text)
    assert text in str(caught.value)


def test_the_script_sends_the_body_as_it_is():
    assert 'wrk.body = [==[{"text": "a\\n"}]==]' in wrk.SCRIPT.replace("{body}", '{"text": "a\\n"}')
    assert "function" not in wrk.SCRIPT
