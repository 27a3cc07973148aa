"""Claims about a harness that differs from the one that was tested: what is lost, and what still works."""

import json
import math
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from loguru import logger

from microbench_tasks.harness.patches import installation, scoring
from microbench_tasks.harness.patches.patch import Installer, Patch, Replacement
from microbench_tasks.harness.patches.table import PATCHES
from microbench_tasks.harness.patches.targets import Fit, Target
from tests.support import commands
from tests.support.broken_harness import cases

TESTS = Path(__file__).parents[1]
# Some targets; `broken_harness.py all` runs all of them, and takes minutes.
CHOSEN = (
    "initialize_tasks",
    "load_task_or_group",
    "evaluator:evaluate",
    "save_results_aggregated",
)
RENAMED = cases("rename", *CHOSEN)


@pytest.fixture
def harness(monkeypatch):
    """A module in the place of the harness's."""
    module = types.ModuleType("lmms_eval.stand_in")
    module.add = lambda first, second: first + second
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.fixture
def warnings():
    messages = []
    sink = logger.add(lambda message: messages.append(message.record["message"]), level="WARNING")
    yield messages
    logger.remove(sink)


def doubling(original):
    return lambda *args, **kwargs: 2 * original(*args, **kwargs)


def patch(name, target, fallback=None, lost="No sums."):
    replacements = [Replacement(each, doubling) for each in (target, fallback) if each is not None]
    return Patch(name, replacements[0], "For a test.", lost, "Never.", *replacements[1:])


ADD = Target("lmms_eval.stand_in:add", ("first", "second"))
ABSENT = Target("lmms_eval.stand_in:subtract")


def test_a_patch_is_installed_once(harness, warnings):
    installer = Installer([patch("sums", ADD)])
    installer.install()
    installer.install()
    assert harness.add(1, 2) == 6
    assert installer.installed == ["sums"]
    assert warnings == []


def test_a_replaced_function_is_replaced_where_it_was_imported_to(harness, monkeypatch):
    other = types.ModuleType("lmms_eval.importer")
    other.add = harness.add
    monkeypatch.setitem(sys.modules, other.__name__, other)
    Installer([patch("sums", ADD)]).install()
    assert other.add(1, 2) == 6


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (ABSENT, "lmms_eval.stand_in:subtract no subtract in lmms_eval.stand_in"),
        (Target("lmms_eval.no_such_module:add"), "lmms_eval.no_such_module:add ModuleNotFoundError: No module named"),
        (Target("lmms_eval.stand_in:add", ("first", "third")), "lmms_eval.stand_in:add takes no third"),
    ],
    ids=["missing", "missing module", "other signature"],
)
def test_a_target_that_does_not_fit_costs_its_own_patch_with_one_warning(target, problem, harness, warnings):
    installer = Installer([patch("lost", target, lost="No differences."), patch("sums", ADD)])
    installer.install()
    installer.install()
    assert harness.add(1, 2) == 6
    assert installer.installed == ["sums"]
    [warning] = warnings
    assert f"- lost ({problem}" in warning
    assert warning.endswith("No differences.")


def test_the_fallback_is_installed_where_the_first_replacement_does_not_fit(harness, warnings):
    installer = Installer([patch("sums", ABSENT, ADD)])
    installer.install()
    assert harness.add(1, 2) == 6
    assert warnings == []


def test_what_the_harness_still_imports_is_patched_at_the_next_call_of_anything_patched(harness, monkeypatch):
    evaluator = types.ModuleType("lmms_eval.evaluator")
    evaluator.__spec__ = types.SimpleNamespace(_initializing=True)
    monkeypatch.setitem(sys.modules, evaluator.__name__, evaluator)
    Installer([patch("results", Target("lmms_eval.evaluator:evaluate")), patch("sums", ADD)]).install()
    evaluator.evaluate = lambda: 1
    assert harness.add(1, 2) == 6
    assert evaluator.evaluate() == 1
    evaluator.__spec__._initializing = False
    harness.add(1, 2)
    assert evaluator.evaluate() == 2


def test_every_target_is_in_the_supported_harness():
    rows = list(installation.examine())
    assert {row.target.path: row.finding for row in rows if row.finding.fit is not Fit.OK} == {}
    assert installation.lost_patches(rows) == []


def test_each_patch_has_a_name_of_its_own_and_says_why_since_when_and_until_when():
    names = [each.name for each in PATCHES]
    assert len(set(names)) == len(names)
    for each in PATCHES:
        assert each.why.endswith(".") and each.removable.endswith(".") and each.lost[-1] in ".…", each.name
        assert re.fullmatch(r"\d+\.\d+\.\d+", each.since), each.name
        assert (each.replacement.wrap is None) == bool(each.elsewhere), each.name


def test_the_printed_table_says_all_of_each_patch():
    rows = list(installation.examine())
    table = installation.as_table(rows)
    for each in PATCHES:
        assert f"\n\n{each.name} (since lmms-eval {each.since}" in table
        assert f"\n  Why: {each.why}\n  Can be removed when: {each.removable}\n" in table
    assert all(f"{row.finding.fit.value}: " in table and f" {row.target.path}\n" in table for row in rows)
    assert table.endswith(f"0 of {len(PATCHES)} patches cannot be installed.")
    [index] = [part for part in table.split("\n\n") if part.startswith("index of tasks")]
    assert index.splitlines()[:3] == [
        "index of tasks (since lmms-eval 0.7.3, https://github.com/EvolvingLMMs-Lab/lmms-eval/issues/102)",
        "  ok: replaces lmms_eval.tasks:TaskManager.initialize_tasks",
        "  ok: or, replaces lmms_eval.tasks:TaskManager.__init__",
    ]


def test_a_checkout_of_the_harness_is_compared_target_by_target(tmp_path):
    """A package that has nothing of the harness but one module, in which one function has another signature."""
    (tmp_path / "lmms_eval").mkdir()
    (tmp_path / "lmms_eval" / "__init__.py").write_text("")
    (tmp_path / "lmms_eval" / "baselines.py").write_text("def load_baseline(path): ...\n")
    script = TESTS.parent / "scripts" / "check_harness.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    lines = {line.strip() for line in done.stdout.splitlines()}
    assert "other signature: replaces lmms_eval.baselines:load_baseline (takes no baseline_arg, task_name)" in lines
    assert f"{len(PATCHES)} of {len(PATCHES)} patches cannot be installed." in lines
    assert f"- {scoring.GROUP_METRICS.name}: {scoring.GROUP_METRICS.lost}" in lines


# --- whole runs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(demo_folder):
    """The chosen targets renamed in turn: what `microbench_coarse` gives then."""
    done = commands.run(sys.executable, TESTS / "support" / "broken_harness.py", "rename", *CHOSEN)
    assert done.returncode == 0, done.stderr[-3000:]
    return {outcome["path"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}


def test_an_intact_harness_loses_nothing(runs):
    assert runs[""]["warnings"] == []
    [figures] = runs[""]["figures"]
    # Two of each of five tasks are asked.
    assert figures["counts,none"]["questions"] == 10


def paths_of(replacement):
    return [target.path for target in (replacement.target, *replacement.uses)]


@pytest.mark.parametrize("path", [case["path"] for case in RENAMED[1:]])
def test_without_a_target_the_tasks_run_with_their_figures_and_a_warning_says_what_is_lost(path, runs):
    outcome = runs[path]
    assert outcome["status"] == 0
    [figures] = outcome["figures"]
    [intact] = runs[""]["figures"]
    assert math.isclose(figures["acc,none"], intact["acc,none"], abs_tol=1e-12)
    lost = [
        each.lost
        for each in PATCHES
        if not each.elsewhere and all(path in paths_of(replacement) for replacement in each.alternatives)
    ]
    assert len(outcome["warnings"]) == (1 if lost else 0)
    assert all(sentence in outcome["warnings"][0] for sentence in lost)
    named = {each.lost for each in PATCHES if lost and each.lost in outcome["warnings"][0]}
    assert named <= set(lost)
