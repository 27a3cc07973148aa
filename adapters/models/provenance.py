"""Record in the results file which weights were loaded, and keep cached answers apart by weights.

lmms-eval writes nothing about a loaded model into its results file, and its response cache identifies a model by its
arguments, not by its weights. `install` closes both gaps around the harness's own ``evaluate``.
"""

from __future__ import annotations

import abc
import functools
import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_adapters.models import distribution

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# The key of the results file under which the loaded model is described.
RESULTS_KEY = "loaded_model"
_INSTALLED = "_microbench_records_models"


class ProvenanceMixin(abc.ABC):
    """A model whose answers depend on weights that the results file describes."""

    # Whether all processes of the run ask their model at the same time, so that it may exchange embeddings.
    asked_together: bool = False

    @abc.abstractmethod
    def record(self) -> dict[str, Any]:
        """Describe what was loaded, for the results file: JSON values, equal in all processes of a run."""

    def run_record(self) -> dict[str, Any]:
        """Describe what the run revealed about the model; called once, in all processes of the run."""
        return {}

    def note_requests(self, requests: list[Instance]) -> None:
        """Take note of the requests of a run with a response cache, before the unanswered ones are asked."""
        return


def install() -> None:
    """Make the harness's ``evaluate`` record models of this package and keep their cached answers apart by weights.

    Every `ProvenanceMixin` model calls it; the second call does nothing. It never raises: if the harness's
    internals have changed, runs still work, and a warning says what is missing.
    """
    from lmms_eval import evaluator

    distribution.end_group_at_exit()
    original = getattr(evaluator, "evaluate", None)
    if getattr(original, _INSTALLED, False):
        return
    known = set() if original is None else set(inspect.signature(original).parameters)
    missing = {"lm", "response_cache"} - known
    if original is None or missing:
        logger.warning(
            f"This version of lmms-eval evaluates without {', '.join(sorted(missing))}: "
            "its results file will not say which weights were loaded."
        )
        return

    @functools.wraps(original)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        call = inspect.signature(original).bind(*args, **kwargs)
        model = call.arguments["lm"]
        if not isinstance(model, ProvenanceMixin):
            return original(*args, **kwargs)
        if call.arguments.get("response_cache") is not None:
            call.arguments["response_cache"] = _cache_by_weights(call.arguments["response_cache"], model)
        # With a cache, a process that knows all of its answers does not ask its model.
        model.asked_together = call.arguments.get("response_cache") is None and distribution.num_processes() > 1
        try:
            results = original(*call.args, **call.kwargs)
        finally:
            model.asked_together = False
        record = model.record() | model.run_record()
        if results is not None:
            results[RESULTS_KEY] = record
        return results

    setattr(evaluate, _INSTALLED, True)
    evaluator.evaluate = evaluate


def _cache_by_weights(cache: Any, model: ProvenanceMixin) -> _CacheByWeights | None:
    if hasattr(cache, "_model_fingerprint_hash") and hasattr(cache, "model_fingerprint"):
        return _CacheByWeights(cache, model.record())
    logger.warning(
        "This version of lmms-eval has another response cache, which might answer for other weights behind the "
        "same path: it is not used for this model."
    )
    return None


class _CacheByWeights:
    """The harness's response cache for one model; other weights behind the same path do not share its answers."""

    def __init__(self, cache: Any, record: dict[str, Any]) -> None:
        self._cache = cache
        # What decides an answer; the device changes nothing but its last digits.
        identity = json.dumps({name: value for name, value in record.items() if name != "device"}, sort_keys=True)
        fingerprint = hashlib.sha256(f"{cache.model_fingerprint} {identity}".encode()).hexdigest()
        cache._model_fingerprint_hash = fingerprint[:16]

    def execute(self, model: Any, request_type: str, requests: list[Instance]) -> list[Any]:
        """Answer from the cache, or ask the model."""
        # lmms-eval 0.7.3 stores a log-likelihood as text and cannot read it back.
        if request_type == "loglikelihood":
            return model.loglikelihood(requests)
        model.note_requests(requests)
        return self._cache.execute(model, request_type, requests)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)
