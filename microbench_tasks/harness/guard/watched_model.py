"""Find the requests whose exceptions a class of lmms-eval swallowed.

A message that the class logs while it handles an exception marks the request whose document it read last
(`microbench_tasks.harness.guard.observation`). In doubt (a batch, or a message below the error level) the request is
repeated alone. A class that swallows an exception without logging is not covered;
`tests/harness/test_silent_classes.py` lists those of the installed harness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks.harness.guard.observation import Observation, RequestKey, observing
from microbench_tasks.harness.repeated_requests import question_of, rounds
from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.failures import failure_mark

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

    from microbench_tasks.harness.served.other_clients import OtherServer

# For each failed request, the reason.
Failures = dict[RequestKey, str]


class WatchedModel:
    """Watch a model while it answers, and mark the requests whose exceptions it swallowed.

    Args:
        model: of a class that may swallow exceptions.
        generate_until: the model's own method.
        server: that the model asks, if its failures may end the run.
    """

    def __init__(
        self, model: Any, generate_until: Callable[[list[Instance]], list[Any]], server: OtherServer | None = None
    ) -> None:
        self._model = model
        self._generate_until = generate_until
        self._server = server

    def responses(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        """Return the model's responses, with a failure mark for those of ``ours`` that failed.

        Responses to other benchmarks' requests are unchanged. Questions that occur several times (``--repeats``) are
        asked in rounds, each once in a round, because only the document that was read tells which request failed.
        """
        responses: list[Any] = [None] * len(requests)
        questions = [question_of(request) if is_ours else None for request, is_ours in zip(requests, ours, strict=True)]
        for positions in rounds(questions):
            of_round = self._ask_round(
                [requests[position] for position in positions], [ours[position] for position in positions]
            )
            for position, response in zip(positions, of_round, strict=True):
                responses[position] = response
        return responses

    def _ask_round(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        """Ask requests with different documents, until the class returns responses or all have failed."""
        keys = [_key(request) if is_ours else None for request, is_ours in zip(requests, ours, strict=True)]
        failures: Failures = {}
        remaining = list(range(len(requests)))
        responses: dict[int, Any] = {}
        while remaining:
            try:
                observation, answers = self._call([requests[position] for position in remaining])
            except _ClassRaisedError as raised:
                # If its first request fails, such a class has no previous answer to return, and raises.
                if not raised.failures and all(ours):
                    return self._ask_each_alone(requests)
                if raised.failures.keys().isdisjoint(keys):
                    raise raised.error from raised
                failures |= {key: reason for key, reason in raised.failures.items() if key in keys}
                remaining = [position for position in remaining if keys[position] not in failures]
                continue
            responses = dict(zip(remaining, answers, strict=True))
            positions = {key: position for position in remaining if (key := keys[position]) is not None}
            repeated = self._repeat_doubtful(requests, positions, responses, observation, failures)
            # Padding requests of the harness have the document of another request.
            for position in remaining:
                if (key := keys[position]) is not None and key in repeated:
                    responses[position] = repeated[key]
            break
        return [
            failure_mark(failures[key]) if key is not None and key in failures else responses[position]
            for position, key in enumerate(keys)
        ]

    def _repeat_doubtful(
        self,
        requests: Sequence[Instance],
        positions: Mapping[RequestKey, int],
        responses: Mapping[int, Any],
        observation: Observation,
        failures: Failures,
    ) -> dict[RequestKey, Any]:
        """Add the failures to ``failures``, and return the new responses to doubtful requests."""
        by_key = {key: responses[position] for key, position in positions.items()}
        doubtful = _judge(observation, by_key, failures) if by_key else []
        return {key: self._ask_alone(requests[positions[key]], failures) for key in doubtful}

    def _ask_each_alone(self, requests: list[Instance]) -> list[Any]:
        """Repeat the requests one by one, for a class that does not show which of them failed."""
        failures: Failures = {}
        responses = [self._ask_alone(request, failures) for request in requests]
        pairs = zip(map(_key, requests), responses, strict=True)
        return [failure_mark(failures[key]) if key in failures else response for key, response in pairs]

    def _ask_alone(self, request: Instance, failures: Failures) -> Any:
        """Ask a single request, and add its failure, if any, to ``failures``."""
        try:
            observation, [response] = self._call([request])
        except _ClassRaisedError as raised:
            failures |= raised.failures
            return None
        for error in observation.errors:
            if error.is_error or _is_empty(response):
                failures[_key(request)] = error.reason
        return response

    def _call(self, requests: list[Instance]) -> tuple[Observation, list[Any]]:
        """Call the model's own method, and return what was observed and its responses.

        Raises:
            _ClassRaisedError: the class had no answer to return after it swallowed an exception.
        """
        observation = Observation(_batch_size(self._model), self._server)
        with observing(self._model, observation):
            try:
                return observation, self._generate_until(requests)
            except UnboundLocalError as error:
                if not observation.errors:
                    raise
                raise _ClassRaisedError(_failures_among(requests, observation), error) from error


class _ClassRaisedError(Exception):
    """Report that a class raised because a request failed before it had any answer."""

    def __init__(self, failures: Failures, error: UnboundLocalError) -> None:
        super().__init__(failures)
        self.failures = failures
        self.error = error


def _judge(observation: Observation, responses: Mapping[RequestKey, Any], failures: Failures) -> list[RequestKey]:
    """Add certain failures to ``failures``; return the doubtful requests, which must be repeated."""
    doubtful: dict[RequestKey, None] = {}
    for error in observation.errors:
        candidates = [key for key in error.candidates if key in responses] if error.candidates else list(responses)
        if error.is_error and len(candidates) == 1:
            failures[candidates[0]] = error.reason
        elif error.is_error:
            doubtful |= dict.fromkeys(candidates)
        else:
            suspects = (
                key
                for key in candidates
                if _is_empty(responses[key]) or _equals_previous(key, responses, observation.read_order)
            )
            doubtful |= dict.fromkeys(suspects)
    return [key for key in doubtful if key not in failures]


def _failures_among(requests: Sequence[Instance], observation: Observation) -> Failures:
    keys = {_key(request) for request in requests}
    failures = {key: error.reason for error in observation.errors for key in error.candidates if key in keys}
    if not failures and len(keys) == 1:
        return dict.fromkeys(keys, observation.errors[-1].reason)
    return failures


def _key(request: Instance) -> RequestKey:
    doc_id, task, split = request.args[-3:]
    return task, split, doc_id


def _batch_size(model: Any) -> int:
    size = getattr(model, "batch_size", 1)
    return size if isinstance(size, int) and size > 0 else 1


def _is_empty(response: Any) -> bool:
    return not content_to_text(getattr(response, "text", response)).strip()


def _equals_previous(key: RequestKey, responses: Mapping[RequestKey, Any], read_order: Sequence[RequestKey]) -> bool:
    """Tell whether a response equals that to the document read just before."""
    place = read_order.index(key) if key in read_order else 0
    previous = responses.get(read_order[place - 1]) if place else None
    return previous is not None and getattr(previous, "text", previous) == getattr(
        responses[key], "text", responses[key]
    )
