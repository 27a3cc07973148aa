"""Wrong inputs of all commands: one message with the way out, an exit status that is not 0, and no traceback."""

from __future__ import annotations

import json

import pytest

from microbench_tasks.cli import program
from tests.support import compared_runs, tiny_clip, wrong_checkpoints
from tests.support.commands import SCRIPTS, run

TASK = "microbench_coarse_stain"
# Options of lmms_eval without a value, and with a number.
FLAGS = ("--log_samples",)
NUMBERS = ("--num_fewshot", "--limit")
ASK = ["--tasks", TASK, "--limit", "1"]
# By what is wrong: the arguments of lmms_eval, the environment, and what the last line of the message says.
HARNESS_CASES = {
    "no model": ([], {}, "--model is missing: type --model NAME"),
    "a mistyped model": (["--model", "demo_clop"], {}, "Did you mean demo_clip"),
    "another mistyped model": (["--model", "open_clp"], {}, "Did you mean open_clip"),
    "a path alone": (["--model", "open_clip", "--model_args", "/path"], {}, "Write model=/path"),
    "a comma in a path": (["--model", "open_clip", "--model_args", "model=a,b"], {}, "Commas separate arguments"),
    "a mistyped argument": (["--model", "clip", "--model_args", "precison=bf16"], {}, "Did you mean precision"),
    "another mistyped argument": (["--model", "open_clip", "--model_args", "modle=x"], {}, "Did you mean model"),
    "no such folder": (["--model", "transformers_clip", "--model_args", "model=./plip"], {}, "no such file or folder"),
    "weights without a model": (
        ["--model", "transformers_clip", "--model_args", "pretrained=a.pt"],
        {},
        "needs model. Write model_args: model=…. pretrained= only adds weights to it",
    ),
    "no such device": (["--model", "demo_clip", "--device", "gpu"], {}, "torch knows no such device. Use cpu"),
    "a setting in capitals": (["--model", "demo_clip"], {"data": "Demo"}, "Did you mean demo?"),
    "examples": (["--model", "demo_clip", "--num_fewshot", "3"], {}, "--num_fewshot 3: Micro-Bench asks without"),
    "no questions": (["--model", "demo_clip", "--limit", "0"], {}, "--limit 0: asks nothing. Type a number"),
    "a mistyped task": (["--model", "demo_clip", "--tasks", f"{TASK}n"], {}, f"Did you mean {TASK}"),
    "another mistyped task": (
        ["--model", "demo_clip", "--tasks", "microbench_corse"],
        {},
        "Did you mean microbench_coarse",
    ),
    "transformers' folder to open_clip": (
        ["--model", "open_clip", "--model_args", "model={hf}"],
        {},
        "looks like a checkpoint of transformers (of type clip): use --model transformers_clip",
    ),
    "open_clip's folder to transformers_clip": (
        ["--model", "transformers_clip", "--model_args", "model={oc}"],
        {},
        "looks like a checkpoint of open_clip: use --model open_clip",
    ),
    "open_clip's folder to transformers_vlm": (
        ["--model", "transformers_vlm", "--model_args", "model={oc}"],
        {},
        "looks like a checkpoint of open_clip: use --model open_clip",
    ),
    "a chat model to transformers_clip": (
        ["--model", "transformers_clip", "--model_args", "model={chat}"],
        {},
        "not an image-text dual encoder. This looks like a checkpoint of transformers",
    ),
    "a chat model to open_clip": (
        ["--model", "open_clip", "--model_args", "model={chat}"],
        {},
        "use --model transformers_vlm --model_args model={chat}",
    ),
    "a dual encoder to transformers_vlm": (
        ["--model", "transformers_vlm", "--model_args", "model={hf}"],
        {},
        "use --model transformers_clip",
    ),
    "a dual encoder to paligemma": (
        ["--model", "paligemma", "--model_args", "model={hf}"],
        {},
        "compares images with texts. This looks like a checkpoint of transformers (of type clip): "
        "use --model transformers_clip",
    ),
    "junk as weights": (
        ["--model", "open_clip", "--model_args", "model=ViT-B-32,pretrained={junk}"],
        {},
        "it is not a PyTorch checkpoint. Name a file that torch.save or safetensors wrote.",
    ),
    "a web page as weights": (
        ["--model", "transformers_clip", "--model_args", "model={hf},pretrained={page}"],
        {},
        "it is a web page, not a checkpoint",
    ),
    "transformers_clip from the Hub, offline": (
        ["--model", "transformers_clip", "--model_args", "model=org/name"],
        {},
        "HF_HUB_OFFLINE is set, and the Hub's cache",
    ),
    "open_clip from the Hub, offline": (
        ["--model", "open_clip", "--model_args", "model=hf-hub:org/name"],
        {},
        "HF_HUB_OFFLINE is set, and the Hub's cache",
    ),
    "a named model, offline": (["--model", "biomedclip"], {}, "HF_HUB_OFFLINE is set, and the Hub's cache"),
    "transformers_vlm from the Hub, offline": (
        ["--model", "transformers_vlm", "--model_args", "model=org/name"],
        {},
        "HF_HUB_OFFLINE is set, and the Hub's cache",
    ),
    "a file for --use_cache": (["--model", "demo_clip", "--use_cache", "{junk}"], {}, "is a file. Name a folder."),
    "a file for --output_path": (
        ["--model", "demo_clip", "--output_path", "{junk}"],
        {},
        "--output_path {junk}: is a file. Name a folder.",
    ),
    "samples without a folder": (["--model", "demo_clip", "--log_samples"], {}, "Specify --output_path"),
    "a hot temperature": (
        ["--model", "demo_clip", "--gen_kwargs", "temperature=hot"],
        {},
        "--gen_kwargs temperature=hot: expected a number.",
    ),
    "a mistyped setting of answers": (
        ["--model", "demo_clip", "--gen_kwargs", "temprature=0"],
        {},
        "temprature is unknown. Did you mean temperature?",
    ),
    "a value alone for answers": (["--model", "demo_clip", "--gen_kwargs", "0"], {}, "expected NAME=VALUE, got '0'"),
    "a mistyped name of a setting": (
        ["--model", "demo_clip"],
        {"MICROBENCH_DATSET": "demo"},
        "MICROBENCH_DATSET: Micro-Bench has no such setting. Did you mean MICROBENCH_DATASET?",
    ),
    "a mistyped format of boxes": (["--model", "demo_clip"], {"MICROBENCH_BOXES": "neutrl"}, "Did you mean neutral"),
    "a mistyped interval": (
        ["--model", "demo_clip"],
        {"MICROBENCH_INTERVAL": "percentil"},
        "Did you mean percentile? Expected one of basic, percentile.",
    ),
    "a mistyped treatment of images": (
        ["--model", "demo_clip"],
        {"MICROBENCH_SHRINK_IMAGES": "onec"},
        "Set MICROBENCH_SHRINK_IMAGES=once, or unset it.",
    ),
    "a word for a number": (
        ["--model", "demo_clip"],
        {"MICROBENCH_LOGPROBS": "many"},
        "expected a number of tokens from 1 to 20. Set MICROBENCH_LOGPROBS=20, or unset it.",
    ),
    "no own datasets": (["--model", "demo_clip"], {"MICROBENCH_OWN": "/nowhere"}, "MICROBENCH_OWN: /nowhere: no such"),
    "no cognition": (
        ["--model", "demo_clip", "--tasks", "microbench_cognition"],
        {"MICROBENCH_COGNITION": "/nowhere"},
        "MICROBENCH_COGNITION=/nowhere: no such folder. Expected",
    ),
    "no data": (["--model", "demo_clip"], {"data": "/nowhere"}, "MICROBENCH_DATASET=/nowhere: no such folder."),
    "a damaged table": (
        ["--model", "demo_clip"],
        {"data": "{damaged}"},
        "{damaged}/test.parquet is damaged or cut off",
    ),
    "a precision that does not exist": (
        ["--model", "transformers_clip", "--model_args", "model={hf},precision=fp8"],
        {},
        "precision=fp8: expected one of",
    ),
    "alpha without a base": (
        ["--model", "transformers_clip", "--model_args", "model={hf},alpha=0.5"],
        {},
        "alpha=0.5: nothing to merge with. Name the base as merge_with=",
    ),
    "boxes of a contrastive model": (
        ["--model", "demo_clip", "--tasks", "microbench_localization"],
        {},
        "only chooses among given texts. Instead: --tasks",
    ),
    "a baseline that does not exist": (["--model", "demo_clip", "--baseline", "/nowhere"], {}, "/nowhere"),
}
# The same for microbench; what the message says, which is exact from its start where that is an error of ours.
COMMAND_CASES = {
    "a mistyped command": (["sbumit"], "invalid choice: 'sbumit'", "Did you mean submit?"),
    "a mistyped option of rescore": (["rescore", "x", "--ouput", "y"], "unrecognized", "Did you mean --out?"),
    "a mistyped option of submit": (
        ["submit", "x", "--modelname", "m", "--out", "y"],
        "required: --model-name",
        "--modelname is unknown. Did you mean --model-name?",
    ),
    "a mistyped option of verify": (
        ["verify", "x", "--without-dta"],
        "unrecognized",
        "Did you mean --without-data?",
    ),
    "a mistyped option of leaderboard": (["leaderboard", "x", "--papr"], "unrecognized", "Did you mean --paper?"),
    "a mistyped option of report": (
        ["report", "x", "--out", "y", "--exmples", "1"],
        "unrecognized",
        "Did you mean --examples?",
    ),
    "a mistyped option of compare": (["compare", "x", "y", "--chnges", "z"], "unrecognized", "Did you mean --changes?"),
    "a mistyped option of merge": (["merge", "x", "y", "--out", "z", "--aplha", "1"], "unrecognized", "--alpha?"),
    "a mistyped option of demo-data": (["demo-data", "x", "--sed", "1"], "unrecognized", "Did you mean --seed?"),
    "a mistyped option of doctor": (["doctor", "--vrbose"], "unrecognized arguments: --vrbose", ""),
    "a mistyped option of sweep": (
        ["sweep", "--alpha", "0:1:1", "--model", "m", "--model_args", "a=b", "--tasks", TASK, "--output_pth", "x"],
        "required: --output_path",
        "Did you mean --output_path?",
    ),
    "a mistyped option of run": (
        ["run", "x", "--tasks", TASK, "--outptu_path", "y"],
        "required: --output_path",
        "--outptu_path is unknown. Did you mean --output_path?",
    ),
    "no run": (["rescore", "/nowhere"], "error: /nowhere", ""),
    "a file that is no run": (["rescore", "{junk}"], "error: ", "junk.pt"),
    "a folder without runs": (["rescore", "{empty}"], "error: ", "{empty}"),
    "a file of scores that cannot be written": (
        ["rescore", "{run}", "--out", "/proc/x/scores.json"],
        "error: --out /proc/x/scores.json: nothing can be written in /proc",
        "Name another place.",
    ),
    "a run that does not exist among others": (["rescore", "{run}", "--run", "other"], "error: ", "other"),
    "a submission that cannot be written": (
        ["submit", "{run}", "--model-name", "m", "--out", "/proc/x"],
        "error: --out /proc/x: nothing can be written in /proc",
        "Name another place.",
    ),
    "a submission that exists": (
        ["submit", "{run}", "--model-name", "m", "--out", "{empty}"],
        "error: --out {empty}: exists already. Name a folder that does not exist yet.",
        "",
    ),
    "a submission of nothing": (["submit", "/nowhere", "--model-name", "m", "--out", "x"], "error: /nowhere", ""),
    "verification of nothing": (["verify", "/nowhere"], "/nowhere", ""),
    "a leaderboard of nothing": (["leaderboard", "/nowhere"], "error: /nowhere", ""),
    "a leaderboard that cannot be written": (
        ["leaderboard", "x", "--out", "/proc/x"],
        "error: /proc/x: nothing can be written in /proc",
        "Name another folder.",
    ),
    "a report of nothing": (["report", "/nowhere", "--out", "{empty}/r"], "error: /nowhere", ""),
    "a report that cannot be written": (
        ["report", "{run}", "--out", "/proc/x"],
        "error: --out /proc/x: nothing can be written in /proc",
        "Name another folder.",
    ),
    "half an example in a report": (
        ["report", "x", "--out", "y", "--examples", "0.5"],
        "argument --examples: invalid int value: '0.5'",
        "",
    ),
    "a comparison of one run": (["compare", "{run}"], "error: Expected two or more runs to compare, got 1.", ""),
    "a comparison that cannot be written": (
        ["compare", "x", "y", "--out", "/proc/x.csv"],
        "error: --out /proc/x.csv: nothing can be written in /proc",
        "Name another place.",
    ),
    "a comparison in a form that does not exist": (["compare", "x", "y", "--out", "t.xls"], "ends in .csv", ""),
    "a merge of one": (["merge", "{hf}", "--out", "x"], "error: Expected at least two checkpoints", ""),
    "a merge of two libraries": (["merge", "{hf}", "{oc}", "--out", "x"], "error: Checkpoints of different libr", ""),
    "a merge of nothing": (["merge", "/nowhere", "{hf}", "--out", "x"], "model=/nowhere: no such folder here", ""),
    "a merge by an unknown method": (
        ["merge", "{hf}", "{hf}", "--method", "lienar", "--out", "x"],
        "error: ",
        "linear",
    ),
    "a merge into a folder that exists": (["merge", "{hf}", "{hf}", "--out", "{empty}"], "exists already", ""),
    "a sweep with a step of 0": (
        ["sweep", "--alpha", "0:1:0", "--model", "m", "--model_args", "merge_with=b", "--tasks", TASK]
        + ["--output_path", "x"],
        "error: --alpha 0:1:0: expected",
        "",
    ),
    "a sweep without a base": (
        ["sweep", "--alpha", "0,1", "--model", "m", "--model_args", "model=a", "--tasks", TASK, "--output_path", "x"],
        "a sweep needs merge_with=<base> in it",
        "",
    ),
    "a sweep that cannot be written": (
        ["sweep", "--alpha", "0,1", "--model", "clip", "--model_args", "merge_with=plip", "--tasks", TASK]
        + ["--output_path", "/proc/x"],
        "error: --output_path /proc/x: cannot be written",
        "Name another folder.",
    ),
    "no list of models": (
        ["run", "/nowhere.yaml", "--tasks", TASK, "--output_path", "x"],
        "error: /nowhere.yaml: no such file. Name a YAML file, or a list of this package",
        "",
    ),
    "a list that is none": (["run", "{junk}", "--tasks", TASK, "--output_path", "x"], "error: ", "junk.pt"),
    "a share that does not exist": (
        ["run", "paper_contrastive", "--tasks", TASK, "--output_path", "x", "--shard", "9/8"],
        "error: --shard 9/8: expected NUMBER/TOTAL",
        "",
    ),
    "a demo set that exists": (["demo-data", "{empty}"], "error: {empty} exists already.", ""),
    "a demo set that cannot be written": (["demo-data", "/proc/x"], "nothing can be written in /proc", ""),
    "a dataset without images": (
        ["new-dataset", "mine", "--images", "/nowhere", "--question", "Q?", "--captions", "A {{class}}.", "--out", "x"],
        "error: --images /nowhere",
        "",
    ),
    "a damaged table of a dataset": (
        ["new-dataset", "mine", "--table", "{damaged}/test.parquet", "--question", "Q?"]
        + ["--captions", "A {{class}}.", "--out", "{empty}/mine"],
        "{damaged}/test.parquet is damaged or cut off",
        "",
    ),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, demo_folder):
    """Folders and files, by the name that stands for them in the arguments."""
    root = tmp_path_factory.mktemp("inputs")
    tiny_clip.save(root / "oc")
    wrong_checkpoints.transformers_clip(root / "hf")
    (root / "chat").mkdir()
    (root / "chat" / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    (root / "empty").mkdir()
    (root / "junk.pt").write_bytes(b"junk")
    (root / "page.pt").write_text("<!DOCTYPE html><html></html>")
    compared_runs.write(root / "run", {compared_runs.MODALITY: compared_runs.answered("AAAB")}, "one")
    (root / "damaged").mkdir()
    table = next((demo_folder / "perception").rglob("*.parquet"))
    (root / "damaged" / "test.parquet").write_bytes(table.read_bytes()[:9999])
    return {path.stem: str(path) for path in root.iterdir()}


def filled(value, places):
    return value.format(**places) if isinstance(value, str) else value


def options_of(case, places):
    """The options of a case by name, as a file of --config has them."""
    typed = iter(HARNESS_CASES[case][0])
    options = {"tasks": TASK, "limit": 1}
    for name in typed:
        value = True if name in FLAGS else next(typed)
        options[name.removeprefix("--")] = int(value) if name in NUMBERS else filled(value, places)
    return options


IN_ONE_COMMAND = [case for case, (_, environment, _) in HARNESS_CASES.items() if not environment]


@pytest.fixture(scope="module")
def one_command(places, tmp_path_factory):
    """All cases without settings as the runs of one command, for speed; each has a message of its own."""
    config = tmp_path_factory.mktemp("config") / "runs.yaml"
    config.write_text(json.dumps([options_of(case, places) for case in IN_ONE_COMMAND]))
    return run(SCRIPTS / "lmms_eval", "--config", config)


@pytest.mark.parametrize("case", IN_ONE_COMMAND)
def test_a_wrong_argument_of_lmms_eval_gets_one_message_with_the_way_out(case, places, one_command):
    messages = [line for line in one_command.stderr.splitlines() if line.startswith("- ")]
    assert len(messages) == len(IN_ONE_COMMAND)
    assert HARNESS_CASES[case][2].format(**places) in messages[IN_ONE_COMMAND.index(case)]
    assert one_command.returncode == 1
    assert "Traceback" not in one_command.stdout + one_command.stderr


@pytest.mark.parametrize("case", [case for case in HARNESS_CASES if case not in IN_ONE_COMMAND])
def test_a_wrong_setting_gets_one_message_with_the_way_out(case, places):
    arguments, environment, expected = HARNESS_CASES[case]
    tasks = ASK[2:] if "--tasks" in arguments else ASK
    settings = {name: filled(value, places) for name, value in environment.items()}
    done = run(SCRIPTS / "lmms_eval", *arguments, *tasks, **settings)
    assert done.returncode == 1
    assert expected.format(**places) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_mistyped_option_of_lmms_eval_gets_a_suggestion():
    done = run(SCRIPTS / "lmms_eval", "--model", "demo_clip", "--limt", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "Micro-Bench: --limt is unknown. Did you mean --limit?"


@pytest.mark.parametrize("case", COMMAND_CASES)
def test_a_wrong_argument_of_microbench_gets_one_message_with_the_way_out(case, places, capsys, monkeypatch, tmp_path):
    arguments, *expected = COMMAND_CASES[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    with pytest.raises(SystemExit) as left:
        program.main([part.format(**places) for part in arguments])
    written = capsys.readouterr()
    message = written.err if isinstance(left.value.code, int) else str(left.value.code)
    assert left.value.code not in (0, None)
    assert any(line.startswith("microbench") for line in message.splitlines())
    assert all(text.format(**places) in written.out + message for text in expected)
    assert list(tmp_path.iterdir()) == []
