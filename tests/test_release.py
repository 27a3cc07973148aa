"""Files of the repository that a release needs: forms for issues, and the workflow for continuous integration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import yaml

GITHUB = Path(__file__).parents[1] / ".github"
FORMS = ("error", "new-model", "wrong-figure")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_for_issues_asks_for_the_output_of_doctor(form):
    content = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / f"{form}.yml").read_text(encoding="utf-8"))
    [doctor] = [field for field in content["body"] if field["id"] == "doctor"]
    assert "microbench doctor" in doctor["attributes"]["label"] and doctor["validations"]["required"]


def test_the_workflow_runs_the_whole_suite_and_names_full_versions_of_its_actions():
    jobs = yaml.safe_load((GITHUB / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    # Apart, they can run at the same time; without a word, .ci/run does both.
    assert {".ci/run tests", ".ci/run newest"} <= {step.get("run") for step in steps}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", step["uses"]) for step in steps if "uses" in step)
