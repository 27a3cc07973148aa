"""Claims about a user's YAML that redefines three tasks: what the run, its files and all commands report."""

from __future__ import annotations

import json

import numpy as np
import pytest

from microbench_tasks.report import writing
from microbench_tasks.runs import found_runs, rescoring, score_table
from microbench_tasks.submissions import eligibility
from microbench_tasks.tasks import definitions
from tests.support import release, tiny_runs
from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, results_in, run

MESSAGES, DATA, FILTER = (f"microbench_coarse_{kind}" for kind in ("domain", "subdomain", "modality"))
CHEAT = """
from microbench_tasks.tasks.prompts import microbench_doc_to_text

def messages(doc, lmms_eval_specific_kwargs=None):
    text = microbench_doc_to_text(doc) + " It is " + "ABCDEFG"[doc["answer_idx"]]
    return [{"role": "user", "content": [{"type": "image", "url": doc["image"]}, {"type": "text", "text": text}]}]
"""


def redefinition(task, text):
    return f"include: {definitions.yaml_folder() / f'{task}.yaml'}\ntask: {task}\n{text}\n"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """The finished process of a run, its folder, and the server that it asked."""
    folder = tmp_path_factory.mktemp("attacked")
    tiny_runs.data(folder / "own")
    black = {"bytes": release.png(np.zeros((24, 32, 3), dtype=np.uint8)), "path": None}
    release.write_parquet(folder / "black", [release.row(number, image=black) for number in range(4)])
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "cheat.py").write_text(CHEAT)
    (tasks / "messages.yaml").write_text(redefinition(MESSAGES, "doc_to_messages: !function cheat.messages"))
    (tasks / "data.yaml").write_text(
        redefinition(DATA, f"dataset_path: {folder / 'black'}\ndataset_name: default\ndataset_kwargs: null")
    )
    (tasks / "filter.yaml").write_text(
        redefinition(
            FILTER,
            "filter_list: "
            "[{name: none, filter: [{function: regex, regex_pattern: '([A-D])'}, {function: take_first}]}]",
        )
    )
    # Says the answer that it is told, or what only a filter makes an answer of.
    with serving(
        lambda text, pixels: Reply(text.rpartition(" It is ")[2] if " It is " in text else f"perhaps: A {pixels.max()}")
    ) as server:
        arguments = [
            "--model",
            "openai",
            "--model_args",
            f"model=x,base_url={server.url},api_key=none",
            "--tasks",
            ",".join((MESSAGES, DATA, FILTER, "microbench_coarse_stain")),
        ]
        done = run(
            SCRIPTS / "lmms_eval",
            *arguments,
            "--include_path",
            tasks,
            "--output_path",
            folder / "run",
            "--log_samples",
            data=folder / "own",
        )
    return done, folder / "run", server


def test_the_run_ends_well_and_warns_once_by_task_and_field(attacked):
    done, folder, server = attacked
    assert done.returncode == 0, done.stderr
    # The attack works: without the record it would be a perfect score on the paper's prompt.
    assert results_in(folder)["results"][MESSAGES]["acc,none"] == 1
    assert any(" It is " in text for text, _ in server.asked)
    said = done.stdout + done.stderr
    for sentence in (
        f"{MESSAGES}: doc_to_messages is redefined: expected none, ran cheat.messages (cheat.py)",
        f"{DATA}: dataset_path is redefined",
        f"{FILTER}: filter_list is redefined",
    ):
        assert said.count(sentence) == 1


def test_the_results_file_records_what_ran(attacked):
    configs = results_in(attacked[1])["configs"]
    recorded = {task: config["metadata"]["definition"] for task, config in configs.items()}
    assert {task: sorted(found["differs"]) for task, found in recorded.items()} == {
        MESSAGES: ["doc_to_messages", "messages"],
        DATA: ["dataset_kwargs", "dataset_name", "dataset_path"],
        FILTER: ["filter_list"],
        "microbench_coarse_stain": [],
    }
    assert len(recorded[MESSAGES]["differs"]["doc_to_messages"]["ran"]["sha256"]) == 64
    # Black images are not what the other tasks asked about, and their source is not theirs.
    assert configs[DATA]["metadata"]["dataset"]["source"] == "other"
    assert configs[FILTER]["metadata"]["dataset"]["source"] == "folder"
    assert (
        configs[DATA]["metadata"]["asked"]["num_documents"]
        == configs[FILTER]["metadata"]["asked"]["num_documents"]
        == 4
    )


def test_submit_refuses_it_by_field(attacked):
    reasons = eligibility.check_eligibility(found_runs.find_run([attacked[1]])).violations
    redefined = [reason.partition(" is redefined")[0] for reason in reasons if "is redefined: expected" in reason]
    assert redefined == [
        f"{MESSAGES}: doc_to_messages",
        f"{MESSAGES}: messages",
        *(f"{DATA}: {field}" for field in ("dataset_kwargs", "dataset_name", "dataset_path")),
        f"{FILTER}: filter_list",
    ]
    assert not any("microbench_coarse_stain: " in reason and "redefined" in reason for reason in reasons)


def test_rescore_and_report_mark_the_task_as_redefined(attacked, tmp_path):
    rescored = rescoring.rescore(found_runs.find_run([attacked[1]]))
    table = score_table.render_scores(rescored)
    assert f"{MESSAGES} (REDEFINED)" in table and "microbench_coarse_stain (" not in table
    assert f"{FILTER} is NOT the benchmark's own task: its definition differs in filter_list" in rescored.notes
    writing.write([attacked[1]], tmp_path / "report", 0, 0, lambda items, what: items)
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert record["runs"][0]["label"].endswith("[REDEFINED TASKS]")
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"{MESSAGES}: doc_to_messages, messages" in page and "NOT the benchmark" in page
