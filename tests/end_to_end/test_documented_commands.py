"""Every command that README.md, the pages and the help texts show, run in the order of reading, or why it is not run.

Several readers share the pages, so that they can read at the same time.
Checkpoints to download are replaced by tiny ones, served models by a loopback server, and the release by the demo set.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from microbench_tasks.cli import program
from tests.support import own_images, tiny_models
from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, run

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "index.md"
FEW = "--limit 1"


@dataclass(frozen=True)
class Shown:
    """A command as it is shown: where, and the text."""

    where: str
    text: str


@dataclass(frozen=True)
class Run:
    """How a command is run: with other words in it, and more at its end."""

    words: dict[str, str] = field(default_factory=dict)
    further: str = ""


@dataclass(frozen=True)
class Cannot:
    """Why a command is not run."""

    reason: str


_CLIP = {
    "--model plip --model_args merge_with=clip": "--model transformers_clip --model_args model=my_plip,merge_with=base"
}
_DOWNLOAD = Cannot("downloads a model")
# By the beginning of the command.
TREATMENTS = {
    "python3.11 -m venv": Cannot("makes the environment that the tests run in"),
    "pip install": Cannot("makes the environment that the tests run in"),
    "python -m pytest": Cannot("runs this test"),
    "MICROBENCH_DATASET=demo lmms_eval --model demo_clip --tasks microbench_coarse": Run(further=FEW),
    "MICROBENCH_DATASET=demo lmms_eval --model demo_clip --tasks microbench_vqa": Run(),
    "microbench verify-data /data": Cannot("needs the release; tests/harness/test_data_verification.py has a copy"),
    "microbench verify-data ./pollen": Run(),
    'eval "$(microbench completion': Cannot("changes a shell; tests/cli/test_overviews.py prints the script"),
    "microbench models": Cannot("tests/cli/test_overviews.py runs it"),
    "microbench tasks": Cannot("tests/cli/test_overviews.py runs it"),
    "MICROBENCH_DATASET=demo lmms_eval --model demo_clip --tasks microbench_coarse_stain": Run(further=FEW),
    "MICROBENCH_DATASET=demo lmms_eval --model microbench_random --tasks microbench_coarse_stain": Run(further=FEW),
    "microbench rescore": Run(),
    "microbench compare": Run(),
    "microbench compare comparison": Run(),
    "MICROBENCH_DATASET=demo microbench run demo_models.yaml": Run(further=FEW),
    "MICROBENCH_DATASET=demo microbench doctor": Cannot("is run by tests/cli/test_cli.py"),
    "microbench doctor --patches": Cannot("tests/harness/test_installation_check.py has the table"),
    "MICROBENCH_BOXES=qwen3_vl lmms_eval --model vllm": Cannot("needs a GPU, and downloads a model"),
    'MICROBENCH_BOXES=\'{"convention"': Cannot("is not whole"),
    'MICROBENCH_BOXES=\'{"format"': Cannot("is not whole"),
    "MICROBENCH_DATASET=demo lmms_eval --model microbench_random --tasks microbench_coarse": Run(further=FEW),
    "lmms_eval --model open_clip": Cannot("takes 600 MB of weights, which tests/adapters/test_open_clip.py loads tiny"),
    "lmms_eval --model transformers_clip --model_args model=./my_plip": Run(further=FEW),
    "lmms_eval --model transformers_clip --model_args model=vinid/plip": Run({"vinid/plip": "./base"}, FEW),
    "lmms_eval --model transformers_clip --model_args model=plip_merged": Run(further=FEW),
    "lmms_eval --model plip": Run(_CLIP, FEW),
    "lmms_eval --model quiltnet": _DOWNLOAD,
    "microbench sweep": Run(_CLIP | {"0:1:0.1": "0,1"}, FEW),
    "microbench run models.yaml": Run(further=FEW),
    "microbench run paper_contrastive": _DOWNLOAD,
    "CUDA_VISIBLE_DEVICES=1 microbench run": Cannot("needs two GPUs; tests/harness/test_model_list.py takes shards"),
    "microbench merge clip plip": Run({"clip plip": "base my_plip"}),
    "microbench merge --method soup": Run({"./run_1": "base", "./run_2": "my_plip", "./run_3": "third"}),
    "lmms_eval --model paligemma": _DOWNLOAD,
    "lmms_eval --model transformers_vlm": _DOWNLOAD,
    "qwen_vl/bin/lmms_eval": Cannot("downloads a model; scripts/try_environment.py runs a stand-in"),
    "cogvlm/bin/lmms_eval": Cannot("needs a GPU, and downloads a model"),
    "vllm serve": Cannot("needs a GPU, and downloads a model"),
    "python -m sglang": Cannot("needs a GPU, and downloads a model"),
    "llama-server": Cannot("is another project's server"),
    "export OPENAI_API_KEY": Cannot("is set for the next command"),
    "MICROBENCH_BOXES=qwen3_vl lmms_eval --model async_openai": Run({"http://localhost:8000/v1": "{url}"}, FEW),
    "microbench submit": Run(),
    "MICROBENCH_DATASET=demo microbench verify": Run(),
    "MICROBENCH_DATASET=/data/uBench microbench verify": Run({"/data/uBench": "demo"}),
    "microbench verify": Run(),
    "MICROBENCH_DATASET=demo lmms_eval --model microbench_random --tasks microbench_vqa": Run(),
    "microbench leaderboard demo_clip_submission": Run(),
    "microbench leaderboard submission_1": Run(
        {"submission_1": "demo_clip_submission", "submission_2": "guessing_submission"}
    ),
    "microbench leaderboard submissions/*": Run({"submissions/*": "demo_clip_submission guessing_submission"}),
    "MICROBENCH_DATASET=demo microbench report": Run(),
    "microbench report results_clip": Run(
        {"results_clip": "results", "results_plip": "guessing", "submission_3": "guessing_submission"}
    ),
    "microbench report ./sweep": Run(),
    "SWANLAB_MODE=offline": Cannot(
        "needs a package that is not installed; tests/harness/test_wandb_logs.py has the logger"
    ),
    "WANDB_MODE=offline": Cannot("tests/end_to_end/test_wandb.py runs it"),
    "lmms-eval --model demo_clip": Cannot("downloads another benchmark"),
    "python -m lmms_eval": Cannot("tests/end_to_end/test_command_line.py starts the harness in this way"),
    "torchrun": Cannot("tests/end_to_end/test_contrastive.py has processes with the settings of torchrun"),
    "export HF_HOME": Cannot("needs a cluster"),
    "srun torchrun": Cannot("needs a cluster"),
    "lmms-eval tasks list": Cannot("tests/end_to_end/test_command_line.py lists the tasks in this way"),
    "microbench new-dataset": Run(),
    "MICROBENCH_OWN=pollen lmms_eval": Run(),
    "MICROBENCH_OWN=pollen microbench": Run(),
    "microbench demo-data": Cannot("draws the demo set anew; tests/cli/test_cli.py writes and reads such a folder"),
}


def pages():
    """README.md and the pages that the index lists, in its order."""
    listed = re.findall(r"^[a-z-]+$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    return [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in listed)]


def in_pages():
    """The commands of the pages' code blocks."""
    for page in pages():
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                if line.strip() and not line.startswith("#"):
                    yield Shown(str(page.relative_to(ROOT)), " ".join(line.split()))


def in_help():
    """The examples of each command's help."""
    listed = help_of()
    for name in re.findall(r"^    ([a-z-]+)\b", listed, re.MULTILINE):
        examples = help_of(name).partition("\nexample")[2].splitlines()[1:]
        for line in examples:
            if line.strip():
                yield Shown(f"microbench {name} --help", " ".join(line.split()))


def help_of(*command):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        program.main([*command, "--help"])
    return said.getvalue()


SHOWN = list(dict.fromkeys([*in_pages(), *in_help()]))


def treatment(shown):
    """What is done with a command: the entry with the longest beginning; None if there is none."""
    fitting = [start for start in TREATMENTS if shown.text.startswith(start)]
    return TREATMENTS[max(fitting, key=len)] if fitting else None


def test_each_command_is_run_or_has_a_reason_and_each_reason_has_a_command():
    assert [shown for shown in SHOWN if treatment(shown) is None] == []
    used = {id(treatment(shown)) for shown in SHOWN}
    assert [start for start, found in TREATMENTS.items() if id(found) not in used] == []


@pytest.fixture(scope="class")
def folder(tmp_path_factory, demo_folder):
    """Where a reader works, with checkpoints in the place of those that the commands name."""
    folder = tmp_path_factory.mktemp("reader")
    for seed, name in enumerate(("base", "my_plip", "third")):
        tiny_models.transformers_clip(folder / name, seed)
    (folder / "models.yaml").write_text("models: [{model: demo_clip}, {model: microbench_random}]")
    (folder / "demo_models.yaml").write_text(
        "models: [{name: Guessing, model: microbench_random}, "
        "{name: Guessing again, model: microbench_random, model_args: {seed: 1}}]"
    )
    own_images.class_folders(folder / "photos")
    own_images.write_annotations(folder / "photos", folder)
    torch.save(load_file(folder / "my_plip" / "model.safetensors"), folder / "my_plip.pt")
    return folder


@pytest.fixture(scope="class")
def outcomes(folder, request):
    """The finished process of each command of a reader that can run, in the order of reading."""
    place = os.getcwd()
    os.chdir(folder)
    try:
        with serving(lambda prompt, pixels: Reply("A")) as server:
            os.environ["OPENAI_API_KEY"] = "none"
            for shown, how in request.cls.earlier():
                assert finished(shown, how, server.url).returncode == 0
            return {shown: finished(shown, treatment(shown), server.url) for shown in request.cls.commands()}
    finally:
        os.environ.pop("OPENAI_API_KEY", None)
        os.chdir(place)


def finished(shown, how, url):
    """Run a command; what its help shows may be written once more."""
    text = shown.text
    for word, other in how.words.items():
        assert word in text
        text = text.replace(word, other.format(url=url))
    words = shlex.split(f"{text} {how.further}".partition(" && ")[0])
    settings = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    if "--out" in words and shown.where.endswith("--help"):
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    data = settings.pop("MICROBENCH_DATASET", "demo")
    return run(SCRIPTS / words[0], *words[1:], data=data, **settings)


class Reader:
    """What someone types who reads some of the pages, from the first to the last, in a folder of their own.

    Attributes:
        pages: that are read: files, or commands that print help.
        given: what earlier pages have left: the beginnings of their commands, with further words.
    """

    pages: ClassVar[Sequence[str]] = ()
    given: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def commands(cls):
        """Return what is shown and can be run, in the order of reading."""
        return [shown for shown in RUNNING if shown.where in cls.pages]

    @classmethod
    def earlier(cls):
        """Yield the commands of earlier pages, each with how it is run."""
        for start, further in cls.given.items():
            shown = next(shown for shown in RUNNING if shown.text.startswith(start))
            yield shown, dataclasses.replace(treatment(shown), further=further or treatment(shown).further)

    def test_a_command_works_as_it_is_shown(self, shown, outcomes):
        done = outcomes[shown]
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


RUNNING = [shown for shown in SHOWN if isinstance(treatment(shown), Run)]
_RESULTS = "MICROBENCH_DATASET=demo lmms_eval --model demo_clip --tasks microbench_vqa"
_GUESSING = "MICROBENCH_DATASET=demo lmms_eval --model microbench_random --tasks microbench_vqa"


# Each class may run in a process of its own, at the same time as the others; the longest come first.
class TestComparing(Reader):
    pages = (
        *(f"docs/{page}.md" for page in ("submissions", "leaderboard", "compare-runs")),
        *(f"microbench {name} --help" for name in ("compare", "submit", "verify", "leaderboard")),
    )
    given: ClassVar = {_RESULTS: "", "microbench run models.yaml": ""}


class TestModels(Reader):
    pages = (
        *(f"docs/{page}.md" for page in ("models", "merging", "served-models", "many-models")),
        *(f"microbench {name} --help" for name in ("run", "merge", "sweep")),
    )


class TestReport(Reader):
    pages = ("docs/report.md", "microbench report --help")
    # One of the runs has few questions, as each plot takes half a second.
    given: ClassVar = {_RESULTS: FEW, _GUESSING: "", "microbench submit guessing": "", "microbench sweep": FEW}


class TestOtherPages(Reader):
    pages = tuple(
        dict.fromkeys(
            shown.where
            for shown in RUNNING
            if shown.where not in (*TestComparing.pages, *TestModels.pages, *TestReport.pages)
        )
    )


def pytest_generate_tests(metafunc):
    """Give each reader the commands of the pages."""
    if metafunc.cls:
        commands = metafunc.cls.commands()
        metafunc.parametrize("shown", commands, ids=[f"{shown.where}: {shown.text[:70]}" for shown in commands])


def test_every_reason_names_a_test_that_exists():
    for found in TREATMENTS.values():
        named = re.findall(r"tests/\S+\.py", found.reason) if isinstance(found, Cannot) else []
        assert all((ROOT / path).is_file() for path in named)


if __name__ == "__main__":
    for command in SHOWN:
        found = treatment(command)
        sys.stdout.write(f"{command.where}: {command.text}\n    {found}\n")
