"""Support several answers to each question (``--repeats N``): keep all responses and score each.

The harness asks a request N times, but its default filter keeps only the first response. The tasks' own filter
(`keep_all_responses`) passes all responses to the scoring; `microbench_tasks.tasks.items` combines their items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks.parsing.cleaning.message_content import content_to_text

Item = Mapping[str, Any]


# --- responses -----------------------------------------------------------------------


class _KeepAll:
    """Keep all responses of a request; implements the filter interface of the harness."""

    def apply(self, resps: Iterable[Sequence[Any]], docs: Any) -> list[Any]:
        """Return the response of each request, or the list of its responses where requests were repeated."""
        requests = list(resps)
        most = max(map(len, requests), default=1)
        # A run that stops early has fewer responses for some requests: the rest is empty, as with the harness's filter.
        padded = [[*responses, *[""] * (max(most, 1) - len(responses))] for responses in requests]
        return padded if most > 1 else [responses[0] for responses in padded]


def keep_all_responses() -> _KeepAll:
    """Build the filter that the tasks' YAML names."""
    return _KeepAll()


def all_responses(results: Sequence[Any]) -> list[str]:
    """Return the responses to a document as texts, at least one.

    Args:
        results: what the harness passes to the scoring: a list with one element, a response or a list of responses.

    >>> all_responses(["A"]), all_responses([["A", "B"]]), all_responses([])
    (['A'], ['A', 'B'], [''])
    """
    content = results[0] if results else ""
    is_repeated = isinstance(content, list) and len(content) > 1 and all(isinstance(entry, str) for entry in content)
    return [content_to_text(response) for response in (content if is_repeated else [content])]


# --- items ---------------------------------------------------------------------------


def each_answer(items: Iterable[Item]) -> list[Item]:
    """Return one item per answer; an item without ``answers`` is returned unchanged.

    >>> each_answer([{"kind": "parsed"}, {"kind": "parsed", "answers": [{"kind": "parsed"}, {"kind": "refused"}]}])
    [{'kind': 'parsed'}, {'kind': 'parsed'}, {'kind': 'refused'}]
    """
    return [answer for item in items for answer in _answers(item)]


def _answers(item: Item) -> list[Item]:
    if "answers" not in item:
        return [item]
    shared = {name: value for name, value in item.items() if name != "answers"}
    return [shared | answer for answer in item["answers"]]
