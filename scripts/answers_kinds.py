"""The kinds of composed responses: each function makes one response and its right value.

The right value follows from the parts: a list of options declares nothing, a conclusion states the letter that was
put into it, a sentence that is cut off states none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from answers_composer import LETTERS, Case, Composed, Composer, capitalize, paragraphs, replace_all, stating

Kind = Callable[[Composer, Case], Composed]

PROMPT = "Answer with a single letter, no extra details.\nQuestion:"
ANALYSIS = "<|channel|>analysis<|message|>"
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"


def concluded_list(c: Composer, case: Case) -> Composed:
    """List the options, then conclude."""
    listed = c.option_list(case, evidence=c.rng.random() < 0.5)
    reason = c.fill(c.draw(("", "{F}.", "In the image, {f}.")), case)
    tail = "" if reason else c.phrase("tail", case)
    return stating(case, paragraphs(c.conclude(case, paragraphs(listed, reason)), tail))


def open_list(c: Composer, case: Case) -> Composed:
    """List the options without a conclusion."""
    response = paragraphs(c.option_list(case, evidence=False), c.phrase("closer", case))
    return Composed(case, response, None, "no_answer")


def cut_list(c: Composer, case: Case) -> Composed:
    """Cut off a list of options."""
    text = c.option_list(case, evidence=False)
    return Composed(case, c.cut(text, len(text) // 3), None, "truncated")


def cut_conclusion(c: Composer, case: Case) -> Composed:
    """Cut off before the letter of the conclusion."""
    before = c.draw((c.phrase("lead", case), c.option_list(case, evidence=True), ""))
    return Composed(case, paragraphs(before, c.phrase("stem", case)), None, "truncated")


def cut_explanation(c: Composer, case: Case) -> Composed:
    """State the answer, then cut off its explanation."""
    answer = c.phrase("line", case)
    text = paragraphs(answer, c.fill(c.draw(("Explanation: {F}.", "{F}.", "This is because {f}.", "{S} {F}.")), case))
    return stating(case, c.cut(text, len(answer) + 12))


def one_verdict(c: Composer, case: Case) -> Composed:
    """Call one option correct and the others incorrect."""
    return stating(case, c.verdicts(case, {case.stated}))


def no_verdict(c: Composer, case: Case) -> Composed:
    """Call all options incorrect."""
    return Composed(case, c.verdicts(case, set()), None, "denied")


def two_verdicts(c: Composer, case: Case) -> Composed:
    """Call two options correct."""
    return Composed(case, c.verdicts(case, {case.stated, case.other}), None, "ambiguous")


def table(c: Composer, case: Case) -> Composed:
    """Compare the options in a table, then conclude."""
    yes, no = c.draw(c.forms["table"])
    row = "| {L}) {T} | {d} | {V} |"
    rows = c.rows(case, row, lambda i: case.options[i][1], lambda i: yes if i == case.stated else no)
    return stating(case, c.conclude(case, f"| Option | Features | Match |\n|---|---|---|\n{rows}"))


def open_table(c: Composer, case: Case) -> Composed:
    """Describe the options in a table without a conclusion."""
    rows = c.rows(case, "| {L} | {T} | {d} |", lambda i: case.options[i][1])
    return Composed(case, f"| Option | Name | Features |\n|:--|:--|:--|\n{rows}", None, "no_answer")


def sentence(c: Composer, case: Case) -> Composed:
    """State the answer in a sentence."""
    return stating(case, c.phrase("inline", case))


def explained_after(c: Composer, case: Case) -> Composed:
    """State the answer, then explain it."""
    tail = c.phrase("tail", case) or c.fill(c.draw(("{F}.", "{F}. {X} does not fit, as {a}.")), case)
    return stating(case, paragraphs(c.conclude(case, ""), tail))


def others_rejected_after(c: Composer, case: Case) -> Composed:
    """State the answer, then reject each other option."""
    row = c.draw(("- {L}) {T}: {d}.", "* **{L}) {T}** – {d}.", "{L}) {T} - incorrect, as {d}.", "Option {L}: {d}."))
    rows = c.rows(case, row, lambda i: case.options[i][3]).split("\n")
    del rows[case.stated]
    return stating(case, paragraphs(c.conclude(case, ""), c.phrase("others", case), "\n".join(rows)))


def explained_before(c: Composer, case: Case) -> Composed:
    """Explain, then state the answer."""
    return stating(case, c.conclude(case, c.phrase("lead", case) or c.fill("{F}.", case)))


def steps(c: Composer, case: Case) -> Composed:
    """Reason in numbered steps, then state the answer."""
    texts = [c.fill(template, case) for template in ("{S}", "{A}.", "{F}.")]
    closing = c.rng.random() < 0.5
    texts += [] if closing else [c.phrase("inline", case)]
    layout = c.draw(c.forms["step"])
    lines = [replace_all(layout, {"n": str(i + 1), "t": text}) for i, text in enumerate(texts)]
    return stating(case, paragraphs("\n".join(lines), c.phrase("line", case) if closing else ""))


def marks(c: Composer, case: Case) -> Composed:
    """State the answer in a box or an answer tag."""
    inner, outer = c.draw((("inner", "outer"), ("plain", "around")))
    text = c.draw(c.forms[outer]) % c.form(inner, case)
    return stating(case, paragraphs(c.draw(("", "", c.fill("{F}.", case))), text))


def structured(c: Composer, case: Case) -> Composed:
    """State the answer in JSON."""
    answer = {c.draw(c.forms["keys"]): c.fill(c.draw(("{L}", "{L}) {T}", "{L}", "{L}. {T}")), case)}
    reason = {c.draw(("reasoning", "explanation")): c.fill(c.draw(("{F}.", "{F}; {X} does not fit.")), case)}
    record = c.draw((answer, reason | answer, answer | reason, answer | {"confidence": 0.9}))
    text = json.dumps(record, ensure_ascii=False, indent=c.draw((None, 2)))
    return stating(case, c.draw(c.forms["fence"]).replace("{}", text))


def reasoned(c: Composer, case: Case) -> Composed:
    """Reason in tags, then state the answer."""
    opening, closing = c.draw(c.forms["reasoning"])
    return stating(case, opening + c.phrase("think", case) + closing + c.conclude(case, ""))


def reasoned_list(c: Composer, case: Case) -> Composed:
    """Reason in tags, then list the options and conclude."""
    opening, closing = c.draw(c.forms["reasoning"])
    return stating(case, opening + c.phrase("think", case) + closing + concluded_list(c, case).response)


def unopened_reasoning(c: Composer, case: Case) -> Composed:
    """Close a block of reasoning that the prompt opened, then state the answer."""
    closing = c.draw(c.forms["reasoning"])[1].strip()
    return stating(case, c.phrase("think", case) + closing + "\n\n" + c.conclude(case, ""))


def unclosed_reasoning(c: Composer, case: Case) -> Composed:
    """Never close the block of reasoning."""
    thought = c.phrase("think", case) + " " + c.form("unfinished", case)
    return Composed(case, c.draw(c.forms["reasoning"])[0] + thought, None, "truncated")


def only_reasoning(c: Composer, case: Case) -> Composed:
    """Reason in tags and state nothing after them."""
    opening, closing = c.draw(c.forms["reasoning"])
    return Composed(case, opening + c.phrase("think", case) + closing, None, "empty")


def channels(c: Composer, case: Case) -> Composed:
    """Reason in the analysis channel of gpt-oss and answer in the final one."""
    return stating(case, ANALYSIS + c.phrase("think", case) + FINAL + c.conclude(case, "") + c.draw(("<|return|>", "")))


def unfinished_channel(c: Composer, case: Case) -> Composed:
    """Never leave the analysis channel of gpt-oss."""
    thought = c.phrase("think", case) + " " + c.form("unfinished", case)
    return Composed(case, ANALYSIS + thought, None, "truncated")


def corrected(c: Composer, case: Case) -> Composed:
    """State another option first, then revise it."""
    joint = c.draw((" ", "\n\n"))
    conclusion = c.phrase("inline" if joint == " " else c.draw(("line", "inline")), case)
    return stating(case, joint.join((c.form("first", case), c.phrase("revision", case), conclusion)))


def withdrawn(c: Composer, case: Case) -> Composed:
    """State an option and withdraw it without a new answer."""
    response = c.form("first", case) + c.draw((" ", "\n\n")) + c.phrase("withdrawn", case)
    return Composed(case, response, None, "truncated")


def rejections(c: Composer, case: Case, indices: Sequence[int]) -> list[str]:
    """Write one sentence for each of the options that rejects it."""
    return [c.phrase("rejection", replace(case, other=i)) for i in indices]


def eliminated(c: Composer, case: Case) -> Composed:
    """Reject all other options and name the remaining one."""
    others = [i for i in range(len(case.options)) if i != case.stated]
    joint = c.draw((" ", "\n"))
    return stating(case, joint.join([*rejections(c, case, others), c.phrase("remaining", case)]))


def half_eliminated(c: Composer, case: Case) -> Composed:
    """Reject some options so that at least two are left."""
    others = [i for i in range(len(case.options)) if i != case.stated][:-1]
    return Composed(case, " ".join(rejections(c, case, others)), None, "denied")


def declared_nothing(name: str, why: str) -> Kind:
    """Make a kind whose whole response is one phrase that states nothing."""
    return lambda c, case: Composed(case, c.phrase(name, case), None, why)


def then_concluded(name: str, bridge: str | None = None) -> Kind:
    """Make a kind in which a phrase that states nothing is followed by a conclusion."""

    def compose(c: Composer, case: Case) -> Composed:
        before = c.phrase(name, case)
        if bridge:
            before += " " + c.phrase(bridge, case)
        return stating(case, c.conclude(case, before))

    return compose


def refusal(c: Composer, case: Case) -> Composed:
    """Decline to answer."""
    sorry, cannot = c.phrase("sorry", case), c.phrase("cannot", case)
    if sorry.startswith("As an AI") and not cannot.startswith("I "):
        sorry = ""
    text = f"{sorry} {cannot}." if sorry else f"{capitalize(cannot)}."
    return Composed(case, f"{text} {c.phrase('instead', case)}".strip(), None, "refusal")


def disclaimed(c: Composer, case: Case) -> Composed:
    """Disclaim medical advice, then state the answer."""
    return stating(case, c.phrase("disclaimer", case) + " " + c.phrase("even_so", case))


def echo_values(case: Case) -> dict[str, str]:
    """Return the values of the placeholders for prompt, question and options."""
    options = "\n".join(f"{LETTERS[i]}) {option[0]}" for i, option in enumerate(case.options))
    return {"P": PROMPT, "Q": case.question, "O": options}


def echoed(c: Composer, case: Case) -> Composed:
    """Repeat the prompt, then state the answer."""
    answer = c.draw(("{L}", "{L}) {T}", "Answer: {L}", "The answer is {L}.", "**{L}**"))
    template = c.draw(c.forms["echo"]).replace("{R}", answer)
    return stating(case, c.fill(replace_all(template, echo_values(case)), case))


def bare_echo(c: Composer, case: Case) -> Composed:
    """Repeat the prompt and state nothing."""
    template = c.draw(c.forms["bare_echo"])
    why = "ambiguous" if "{O}" in template else "no_answer"
    return Composed(case, replace_all(template, echo_values(case)), None, why)


def out_of_range(c: Composer, case: Case) -> Composed:
    """State a letter that the question does not have."""
    letter = c.draw([letter for letter in "EFGHJKXZ" if letter not in LETTERS[: len(case.options)]])
    return Composed(case, c.phrase("range", case).replace("{Z}", letter), None, "no_answer")


def letter_trap(c: Composer, case: Case) -> Composed:
    """Write a word or a name that starts with the letter of an option."""
    return Composed(case, c.phrase("trap", case) + c.fill(c.draw((" {S}", " {S}", "")), case), None, "no_answer")


def listed_in(c: Composer, case: Case, evidence: bool) -> str:
    """List the options with remarks in the composer's language, which fit any question."""

    def clause(index: int) -> str:
        name = "neutral" if not evidence else "for" if index == case.stated else "against"
        return str(c.draw(c.phrases[name]))

    return paragraphs(c.phrase("header", case), c.rows(case, c.draw(c.phrases["row"]), clause))


def concluded_list_in(c: Composer, case: Case) -> Composed:
    """List the options and conclude, in the composer's language."""
    conclusion = c.phrase(c.draw(("line", "inline", "bare")), case)
    return stating(case, paragraphs(listed_in(c, case, evidence=True), conclusion))


def open_list_in(c: Composer, case: Case) -> Composed:
    """List the options without a conclusion, in the composer's language."""
    return Composed(case, listed_in(c, case, evidence=False), None, "no_answer")


def verdicts_in(c: Composer, case: Case) -> Composed:
    """Call one option correct, in the composer's language."""
    yes, no = c.draw(c.phrases["verdicts"])
    return stating(case, c.rows(case, c.draw(c.phrases["row"]), lambda i: yes if i == case.stated else no))


def cut_conclusion_in(c: Composer, case: Case) -> Composed:
    """Cut off before the letter of the conclusion, in the composer's language."""
    return Composed(case, paragraphs(c.phrase("lead", case), c.phrase("stem", case)), None, "truncated")


def corrected_in(c: Composer, case: Case) -> Composed:
    """Revise another option, in the composer's language."""
    wrong = replace(case, stated=case.other, other=case.stated)
    first = c.fill(c.phrases["inline"][0], wrong)
    sentences = (first, c.phrase("revision", case), c.phrase("inline", case))
    return stating(case, c.phrases["joint"].join(sentences))


def line_alone(c: Composer, case: Case) -> Composed:
    """State the answer in a line of its own."""
    return stating(case, c.phrase("line", case))


def line_explained(c: Composer, case: Case) -> Composed:
    """State the answer in a line of its own, then explain it."""
    return stating(case, paragraphs(c.phrase("line", case), c.phrase("tail", case)))
