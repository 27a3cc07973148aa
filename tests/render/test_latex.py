"""Claims about text in LaTeX."""

from __future__ import annotations

import pytest

from microbench_tasks.render.latex import latex_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("microbench_coarse", r"microbench\_coarse"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("5 % & $1 #2 ~^", r"5 \% \& \$1 \#2 \textasciitilde{}\textasciicircum{}"),
        ("[-1.25, +3]", r"{[}$-$1.25, $+$3{]}"),
        ("ViT-B-32 2026-01-02", "ViT-B-32 2026-01-02"),
        ("a\nb\x1b", "a b\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_characters_with_a_meaning_in_latex_are_escaped(text, expected):
    assert latex_text(text) == expected
