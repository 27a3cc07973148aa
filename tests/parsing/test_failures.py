"""Claims about telling the harness's own texts from those of a model; what they stand for is in `test_response`."""

import pytest

from microbench_tasks.parsing.failures import placeholder_kind


@pytest.mark.parametrize(
    "response",
    [
        "",
        "A",
        "An error occurred. B",
        "Error: B) basophil",
        "Error: can only concatenate",
        "Error: the image shows B",
        "[ERROR] B",
        "[LMMS_EVAL] B",
        "[LMMS_EVAL_REQUEST_FAILEDX]",
        "see [LMMS_EVAL_REQUEST_FAILED after 5 retries]",
    ],
)
def test_text_of_the_model_is_not_a_failure(response):
    assert placeholder_kind(response) is None
