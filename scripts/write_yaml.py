"""Write the definitions of all tasks and groups from the catalogue and the table of metrics.

Usage: ``python scripts/write_yaml.py [--check] [--folder FOLDER]``. With ``--check`` nothing is written: the files that
differ are listed, and the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.tasks.metric import Family, MetricEntry
from microbench_tasks.tasks.metric_table import group_entries, task_entries
from microbench_tasks.tasks.task_stubs import task_stub

FOLDER = Path(__file__).resolve().parents[1] / "yaml"

# Apart from the rest: a task about other data must not resolve the release, which would be downloaded.
_MICROGRAPHS = """\
dataset_path: !function microbench_tasks.tasks.yaml_values.DATASET_PATH
metadata: !function microbench_tasks.tasks.yaml_values.METADATA
"""
_DATA = """\
dataset_name: !function microbench_tasks.tasks.yaml_values.DATASET_NAME
dataset_kwargs: !function microbench_tasks.tasks.yaml_values.DATASET_KWARGS
test_split: test
output_type: generate_until
"""
_METADATA = "metadata: !function microbench_tasks.tasks.yaml_values.METADATA\n"
_SCORING = """\
# Reasoning is removed when a response is parsed (microbench_tasks.parsing.response); logs keep the whole response.
reasoning_tags: none
# All responses to a question are scored (--repeats); the harness's own filter keeps the first.
filter_list:
  - name: none
    filter:
      - function: !function microbench_tasks.tasks.repeats.keep_all_responses
"""
_CHOICE = """\
doc_to_visual: !function microbench_tasks.tasks.prompts.microbench_doc_to_visual
doc_to_text: !function microbench_tasks.tasks.prompts.microbench_doc_to_text
doc_to_choice: !function microbench_tasks.tasks.prompts.microbench_doc_to_choice
doc_to_target: !function microbench_tasks.tasks.prompts.microbench_doc_to_target
process_results: !function microbench_tasks.tasks.results.microbench_process_results
# An empty list: with its default, the harness would cut answers at the first blank line.
generation_kwargs:
  until: []
  max_new_tokens: 100
  temperature: 0
  do_sample: false
# Text before and after the prompt. An entry with the name of a model applies to that model.
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: ""
model_specific_generation_kwargs:
  # As the paper's evaluation code asked GPT-4o (GitHub Ale9806/eVLLM, gptapi.py). Reasoning models count their
  # reasoning as output.
  openai: {max_new_tokens: 2048}
  async_openai: {max_new_tokens: 2048}
  gpt4v: {max_new_tokens: 2048}
  # These models reason by default, and give no answer if they reach the limit while they reason (lmms-eval's classes of
  # these models; Gemini counts its thoughts as output: https://ai.google.dev/gemini-api/docs/thinking).
  qwen3_5: {max_new_tokens: 16384}
  glm4v: {max_new_tokens: 8192}
  gemini: {max_new_tokens: 8192}
  gemini_api: {max_new_tokens: 8192}
"""
_BOXES = """\
doc_to_visual: !function microbench_tasks.tasks.localization.microbench_localization_doc_to_visual
doc_to_text: !function microbench_tasks.tasks.localization.microbench_localization_doc_to_text
doc_to_target: !function microbench_tasks.tasks.localization.microbench_localization_doc_to_target
process_results: !function microbench_tasks.tasks.localization.microbench_localization_process_results
# An empty list: with its default, the harness would cut answers at the first blank line. A box takes 7 to 30 tokens.
generation_kwargs:
  until: []
  max_new_tokens: 4096
  temperature: 0
  do_sample: false
model_specific_generation_kwargs:
  # These models reason by default; see _questions_template_yaml.
  qwen3_5: {max_new_tokens: 16384}
  glm4v: {max_new_tokens: 16384}
  gemini: {max_new_tokens: 16384}
  gemini_api: {max_new_tokens: 16384}
"""
_GROUP_METRICS = """\
# The harness applies an entry to every metric whose name contains the entry's name, and the last
# entry wins: a name comes before those that contain it.
aggregate_metric_list:
"""
# Groups with equal metrics include one template.
_GROUP_TEMPLATES = {"_fine_group_template_yaml": "microbench_fine", "_whole_group_template_yaml": "microbench"}


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    texts = {
        "_questions_template_yaml": _task_template("choice", _CHOICE, "acc"),
        "_default_template_yaml": f"include: _questions_template_yaml\n{_MICROGRAPHS}",
        "_boxes_template_yaml": _task_template("boxes", _BOXES, "grit"),
        "_localization_template_yaml": f"include: _boxes_template_yaml\n{_MICROGRAPHS}",
        "_robustness_template_yaml": f"include: _default_template_yaml\ntag: {catalog.ROBUSTNESS_TAG}\n",
    }
    texts |= {template: _group_metrics(group) for template, group in _GROUP_TEMPLATES.items()}
    texts |= {f"{name}.yaml": task_stub(task) for name, task in catalog.ALL_TASKS.items()}
    return texts | {f"{group}.yaml": _group(group) for group in catalog.GROUPS}


def _task_template(family: Family, questions: str, score: str) -> str:
    keys = f"score_key: {score}\ncluster_key: image\n"
    metrics = "".join(map(_task_metric, task_entries(family)))
    return f"{_DATA}{questions}{_SCORING}{keys}metric_list:\n{metrics}"


def _task_metric(entry: MetricEntry) -> str:
    direction = {True: "true", False: "false", None: "null"}[entry.metric.higher_is_better]
    return (
        f"  - metric: {entry.name}\n"
        f"    aggregation: !function microbench_tasks.tasks.aggregations.microbench_{entry.function}\n"
        f"    higher_is_better: {direction}\n"
    )


def _group(group: str) -> str:
    members = f"group: {group}\ntask:\n" + "".join(f"  - {member}\n" for member in catalog.GROUPS[group])
    for template, first in _GROUP_TEMPLATES.items():
        if group_entries(group) == group_entries(first):
            return f"include: {template}\n{members}"
    return members + _group_metrics(group)


def _group_metrics(group: str) -> str:
    metrics = "".join(
        f"  - metric: {entry.name}\n"
        f"    aggregation: !function microbench_tasks.tasks.aggregations.microbench_group_{entry.function}\n"
        for entry in group_entries(group)
    )
    return f"{_GROUP_METRICS}{metrics}{_METADATA}"


def differing(folder: Path, texts: dict[str, str]) -> list[str]:
    """Return the names of files in a folder that are missing, different or not to be there."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
    return sorted(name for name in present.keys() | texts.keys() if present.get(name) != texts.get(name))


def main(arguments: Iterable[str] | None = None) -> int:
    """Write or check the files, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the files instead of writing them")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files are (default: %(default)s)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    texts = files()
    if options.check:
        names = differing(options.folder, texts)
        if names:
            print(f"{options.folder}: {', '.join(names)} not as this script writes them. Run it without --check.")
        return int(bool(names))
    for name, text in texts.items():
        (options.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
