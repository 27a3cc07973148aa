"""Claims about sentences that say the same of many tasks."""

from __future__ import annotations

from microbench_tasks.util.similar_sentences import merge_similar


def test_what_differs_in_task_and_numbers_is_said_once_and_all_else_is_kept_in_its_order():
    assert merge_similar(
        [
            "--limit 3: a part was asked.",
            "microbench_a: 3 of 9 were asked",
            "microbench_a: version 1.0 is unknown.",
            "microbench_b: 3 of 10 were asked",
            "microbench_own_c: version 2.0 is unknown.",
        ]
    ) == [
        "--limit 3: a part was asked.",
        "microbench_a: 3 of 9 were asked; the same holds for microbench_b",
        "microbench_a: version 1.0 is unknown. The same holds for microbench_own_c.",
    ]


def test_sentences_about_one_task_are_all_kept():
    sentences = [f"microbench_a: document {number} differs." for number in range(3)]
    assert merge_similar(sentences) == sentences
