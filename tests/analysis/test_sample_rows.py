"""Claims about the rows of a run's samples."""

from __future__ import annotations

import types

from microbench_tasks.analysis.sample_rows import sample_rows
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks.results import microbench_process_results

QUESTION = {
    "image_id": "17",
    "dataset": "burgess_et_al_2024_texture",
    "kind": "stain",
    "options": ["PAS", "H&E"],
    "answer_idx": 1,
}


def test_a_right_option_whose_letter_a_server_did_not_list_has_no_probability():
    answers = ['A\n{"probabilities": {"A": 0.9}, "absent": ["B"]}', 'B\n{"probabilities": {"A": 0.1, "B": 0.8}}', "B"]
    samples = [
        ScoredSample(number, "", answer, microbench_process_results(QUESTION, [answer]))
        for number, answer in enumerate(answers)
    ]
    run = types.SimpleNamespace(rescored=types.SimpleNamespace(samples={"microbench_coarse_stain": samples}))
    rows = list(sample_rows(run))
    assert [row["gold_probability"] for row in rows] == [None, 0.8, None]
    assert [row["probabilities"] for row in rows] == [{"A": 0.9}, {"A": 0.1, "B": 0.8}, None]
