"""From one response to the items that the harness logs and aggregates.

An item carries what a reader of the log needs, since the harness keeps items but neither
document nor arguments.
"""

from __future__ import annotations

from typing import Any

from microbench_tasks.answers import LETTERS, paper_letters, probabilities


def microbench_process_results(doc: dict[str, Any], results: list[str]) -> dict[str, dict[str, Any]]:
    """Score one response to one question by the paper's rule.

    Args:
        doc: a document (see `microbench_tasks.documents`).
        results: the response, in a list of one.

    Returns:
        Per metric of the tasks' YAML the item it aggregates. The item of ``acc`` holds
        ``acc`` and ``score`` (0 or 1; the harness's clustered error reads the first, its
        paired test the second), ``image`` (dataset and image id: the cluster),
        ``image_id``, ``dataset``, ``kind``, ``predicted`` (None where the rule finds no
        letter), ``gold`` and ``probabilities`` (None where the model gave none).
    """
    response = results[0] if results else ""
    letters = paper_letters(response, doc["options"])
    gold = LETTERS[doc["answer_idx"]]
    correct = float(gold in letters)
    item = {
        "acc": correct,
        "score": correct,
        "image": f"{doc['dataset']}/{doc['image_id']}",
        "image_id": doc["image_id"],
        "dataset": doc["dataset"],
        "kind": doc["kind"],
        "predicted": gold if correct else next(iter(letters), None),
        "gold": gold,
        "probabilities": probabilities(response, len(doc["options"])),
    }
    # The ends of the interval need the outcome alone; a name of its own keeps the harness
    # from printing the accuracy's standard error beside them.
    outcome = {"correct": correct}
    return {"acc": item, "acc_ci_low": outcome, "acc_ci_high": outcome}
