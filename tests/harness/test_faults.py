"""Claims about what an exception of a client means for the question and for the run."""

from __future__ import annotations

import httpx
import openai
import pytest

from microbench_tasks.harness.served.faults import MalformedReplyError, classify
from tests.support.server_replies import status_error


@pytest.mark.parametrize(
    ("status", "blame", "is_final", "advice"),
    [
        (401, "access", True, "OPENAI_API_KEY"),
        (403, "access", True, "may use this model"),
        (404, "access", True, "base_url=URL"),
        (400, "question", True, "takes images"),
        (413, "question", True, "HTTP 413"),
        (422, "question", True, "limit of tokens"),
        (408, "server", False, "HTTP 408"),
        (429, "server", False, "HTTP 429"),
        (500, "server", False, "HTTP 500"),
        (503, "server", False, "HTTP 503"),
    ],
)
def test_a_status_says_whom_to_blame_and_what_to_do(status, blame, is_final, advice):
    fault = classify(status_error(status, message="said\nthis"))
    assert (fault.blame, fault.is_final, fault.status) == (blame, is_final, status)
    assert advice in fault.reason and "said this" in fault.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        # 1,000,000,030 s after the epoch.
        ({"retry-after": "Sun, 09 Sep 2001 01:47:10 GMT"}, 30.0),
        ({"retry-after": "Sun, 09 Sep 2001 01:46:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(header, seconds):
    assert classify(status_error(429, header), now=1_000_000_000).pause_s == seconds


def test_a_refused_connection_is_told_from_a_slow_reply_and_from_a_malformed_one():
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(openai.APIConnectionError) as refused:
        client.chat.completions.create(model="m", messages=[])
    assert "cannot be reached" in classify(refused.value).reason
    slow = classify(openai.APITimeoutError(request=httpx.Request("POST", "http://x")))
    assert slow.is_slow and slow.blame == "server"
    assert classify(MalformedReplyError("the reply is a web page")).reason == "the reply is a web page"
