"""Claims about merging with the adapters and from the command line."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import open_clip
import pytest
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from microbench_adapters.checkpoints import loading, merge_loaded
from microbench_adapters.commands import sweep
from microbench_adapters.commands.merge import infer_adapter, merge_checkpoints
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.options import refused_as_merge_with
from microbench_adapters.libraries.transformers_adapter import TransformersClip
from microbench_adapters.named_models import demo_clip
from tests.support import questions, tiny_clip, tiny_models


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A base and what may have been fine-tuned from it."""
    where = tmp_path_factory.mktemp("pair")
    return tiny_clip.save(where / "base", seed=3), tiny_clip.save(where / "tuned", seed=4)


@pytest.fixture(scope="module")
def transformers_pair(tmp_path_factory):
    where = tmp_path_factory.mktemp("pair")
    return tiny_models.transformers_clip(where / "base"), tiny_models.transformers_clip(where / "tuned", seed=1)


@pytest.fixture
def task():
    return questions.Captions()


def weights(folder):
    return load_file(folder / "open_clip_model.safetensors")


@pytest.mark.parametrize(("alpha", "end"), [(0, 0), (1, 1)])
def test_the_ends_of_the_line_are_the_checkpoints_themselves(pair, task, alpha, end):
    base, tuned = pair
    model = OpenClip(model=str(tuned), merge_with=str(base), alpha=alpha, device="cpu")
    alone = OpenClip(model=str(pair[end]), device="cpu")
    assert model.record()["weights_sha256"] == alone.record()["weights_sha256"]
    assert model.generate_until(task.requests()) == alone.generate_until(task.requests())


def test_half_way_has_the_mean_of_the_weights_and_answers_by_them(pair, task, tmp_path):
    base, tuned = pair
    mean = shutil.copytree(tuned, tmp_path / "mean")
    before = weights(base)
    save_file(
        {name: (values + before[name]) / 2 for name, values in weights(tuned).items()},
        mean / "open_clip_model.safetensors",
    )
    model = OpenClip(model=str(tuned), merge_with=str(base), alpha=0.5, device="cpu")
    expected = OpenClip(model=str(mean), device="cpu")
    assert questions.letters(model.generate_until(task.requests())) == questions.letters(
        expected.generate_until(task.requests())
    )
    for name, values in expected.module.state_dict().items():
        assert torch.allclose(model.module.state_dict()[name], values, atol=1e-7), name


def test_half_way_is_the_default(pair):
    records = [
        OpenClip(model=str(pair[1]), merge_with=str(pair[0]), device="cpu", **options).record()
        for options in ({}, {"alpha": 0.5})
    ]
    assert records[0] == records[1]


def test_the_record_says_what_was_merged_and_how(pair):
    base, tuned = pair
    record = OpenClip(
        model=str(tuned), merge_with=f"[{base}]", merge="ties", alpha=0.7, density=0.3, device="cpu"
    ).record()
    parts = record["merge"].pop("of")
    assert record["merge"] == {"method": "ties", "alpha": 0.7, "density": 0.3}
    assert [part["files"]["folder"] for part in parts] == [str(base), str(tuned)]
    assert [part["weights_sha256"] for part in parts] == [
        OpenClip(model=str(folder), device="cpu").record()["weights_sha256"] for folder in pair
    ]


def test_a_soup_is_the_mean_of_all(pair, tmp_path):
    third = tiny_clip.save(tmp_path / "third", seed=5)
    model = OpenClip(model=str(pair[1]), merge_with=f"[{pair[0]},{third}]", merge="soup", device="cpu")
    expected = (
        sum(weights(folder)["ln_final.weight"] + weights(folder)["text_projection"].sum() for folder in (*pair, third))
        / 3
    )
    state = model.module.state_dict()
    assert torch.allclose(state["ln_final.weight"] + state["text_projection"].sum(), expected, atol=1e-4)


@pytest.mark.parametrize("alpha", [0, 0.25, 1])
def test_transformers_models_merge_the_same_way(transformers_pair, task, alpha):
    base, tuned = transformers_pair
    model = TransformersClip(model=str(tuned), merge_with=str(base), alpha=alpha, device="cpu")
    states = [transformers.CLIPModel.from_pretrained(folder).state_dict() for folder in transformers_pair]
    for name, values in model.module.state_dict().items():
        expected = (
            states[0][name] * (1 - alpha) + states[1][name] * alpha if values.is_floating_point() else states[1][name]
        )
        assert torch.allclose(values, expected, atol=1e-6), name
    assert len(model.generate_until(task.requests())) == 48


def test_batch_counters_of_a_resnet_are_not_interpolated(tmp_path):
    folders = [tiny_models.open_clip_resnet(tmp_path / str(seed), seed=seed) for seed in range(2)]
    for folder, count in zip(folders, (10, 31), strict=False):
        state = weights(folder)
        counters = [name for name in state if name.endswith("num_batches_tracked")]
        save_file(state | {name: torch.tensor(count) for name in counters}, folder / "open_clip_model.safetensors")
    assert counters
    for alpha, expected in ((0, 10), (0.5, 31), (1, 31)):
        state = OpenClip(
            model=str(folders[1]), merge_with=str(folders[0]), alpha=alpha, device="cpu"
        ).module.state_dict()
        assert {int(state[name]) for name in counters} == {expected}
        assert {state[name].dtype for name in counters} == {torch.int64}


# --- what cannot be merged ---


def test_other_keys_and_shapes_are_refused_by_name(pair, tmp_path):
    resnet = tiny_models.open_clip_resnet(tmp_path / "resnet")
    with pytest.raises(ValueError, match=rf"(?s){resnet}.*visual\."):
        OpenClip(model=str(pair[1]), merge_with=str(resnet), device="cpu")


def with_config(folder, target, change):
    copied = shutil.copytree(folder, target)
    config = json.loads((copied / "open_clip_config.json").read_text())
    change(config)
    (copied / "open_clip_config.json").write_text(json.dumps(config))
    return copied


def test_other_preprocessing_is_refused(pair, tmp_path):
    other = with_config(
        pair[0], tmp_path / "other", lambda config: config["preprocess_cfg"].update(mean=[0.1, 0.2, 0.3])
    )
    with pytest.raises(
        ValueError,
        match=r"merge_with: local-dir:.*other and local-dir:.*tuned differ in preprocessing: .*0.1, 0.2, 0.3",
    ):
        OpenClip(model=str(pair[1]), merge_with=str(other), device="cpu")


def test_another_tokenizer_is_refused(tmp_path):
    folders = [tiny_models.open_clip_siglip(tmp_path / name) for name in ("base", "tuned")]
    text = (folders[0] / "tokenizer.json").read_text()
    (folders[0] / "tokenizer.json").write_text(
        text.replace('"lowercase": true', '"lowercase": false').replace('"micrograph"', '"photograph"')
    )
    with pytest.raises(ValueError, match="differ in tokenizer: they make other tokens of the same texts"):
        OpenClip(model=str(folders[1]), merge_with=str(folders[0]), device="cpu")


def test_where_a_configuration_came_from_is_no_difference(monkeypatch):
    def loaded(path, **changes):
        text = {"_name_or_path": f"{path}/text", "dtype": path, "hidden_size": 64}
        architecture = {"_name_or_path": path, "transformers_version": path, "text_config": text} | changes
        common = {field: 1 for field in merge_loaded._COMMON_FIELDS}
        return SimpleNamespace(name=path, architecture=architecture, **common)

    warnings = []
    monkeypatch.setattr(merge_loaded.logger, "warning", warnings.append)
    merge_loaded._check_settings_match(loaded("./a"), loaded("./b"))
    assert warnings == []
    merge_loaded._check_settings_match(loaded("./a"), loaded("./b", projection_dim=3))
    assert [line.rpartition("differ: ")[2] for line in warnings] == ["projection_dim None and 3."]


def test_another_activation_which_shows_in_no_weight_is_warned_of(pair, tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr("microbench_adapters.libraries.checkpoint_model.logger.warning", warnings.append)
    other = with_config(pair[0], tmp_path / "other", lambda config: config["model_cfg"].update(quick_gelu=True))
    OpenClip(model=str(pair[1]), merge_with=str(other), device="cpu")
    assert [line.rpartition("differ: ")[2] for line in warnings] == ["quick_gelu True and None."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"merge": "mean"}, "merge=mean"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"alpha": "half"}, "alpha=half"),
        ({"merge": "soup", "alpha": 0.5}, "alpha"),
        ({"density": 0.5}, "density"),
        ({"merge_with": "[/a,/b]"}, "linear"),
        ({"merge_with": "[/a,]"}, r"merge_with=\[/a,\]: expected a checkpoint, or several as \[one,other\]"),
        ({"merge_with": "clip"}, "merge_with=clip: this name stands for a checkpoint of transformers_clip"),
        (
            {"merge_with": "laion"},
            "merge_with=laion: expected hf-hub:org/name, a folder with open_clip_config.json, ARCHITECTURE:tag",
        ),
        ({"merge_with": "ViT-B-32:nobody"}, "pretrained=nobody is neither a tag nor a file"),
    ],
)
def test_a_merge_that_cannot_be_is_refused(pair, options, message):
    with pytest.raises(ValueError, match=message):
        OpenClip(**({"model": str(pair[1]), "merge_with": str(pair[0]), "device": "cpu"} | options))


@pytest.mark.parametrize("adapter", [OpenClip, TransformersClip])
def test_a_refusal_of_the_other_checkpoint_names_merge_with(pair, transformers_pair, tmp_path, adapter):
    model, empty = str((pair if adapter is OpenClip else transformers_pair)[0]), str(tmp_path / "empty")
    Path(empty).mkdir()
    for refuse in (
        lambda: adapter.check_files({"model": model, "merge_with": empty}),
        lambda: adapter(model=model, merge_with=empty, device="cpu"),
    ):
        with pytest.raises(ValueError, match=f"^merge_with={empty}: ") as refusal:
            refuse()
        assert "model=" not in str(refusal.value)


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        ("model=a/b: no weights", "merge_with=a/b: no weights"),
        ("model=local-dir:a/b: no weights", "merge_with=a/b: no weights"),
        # Of a mistyped name on the Hub.
        ("model=a/b, revision=None: no such repository", "merge_with=a/b: no such repository"),
        ("model=a, revision=v2: no such revision", "merge_with=a/b: model=a, revision=v2: no such revision"),
        ("merge_with=a/b: no checkpoint", "merge_with=a/b: no checkpoint"),
    ],
)
def test_a_refusal_says_in_one_place_which_checkpoint_is_meant(raised, shown):
    with pytest.raises(ValueError) as refusal, refused_as_merge_with("a/b"):
        raise ValueError(raised)
    assert str(refusal.value) == shown


def test_an_unexpected_error_of_the_other_checkpoint_keeps_the_place_where_it_was_raised():
    unexpected = ValueError("The state dictionary is corrupted.")
    with pytest.raises(ValueError) as raised, refused_as_merge_with("a/b"):
        raise unexpected
    assert raised.value is unexpected


def test_a_checkpoint_cannot_be_merged_with_itself(pair):
    with pytest.raises(ValueError, match="cannot be merged with itself"):
        OpenClip(model=str(pair[0]), merge_with=str(pair[0]), device="cpu")


def test_a_named_model_merges_by_name(tmp_path):
    copied = shutil.copytree(demo_clip().loaded.files["folder"], tmp_path / "copy")
    model = OpenClip(model=str(copied), merge_with="demo_clip", alpha=0.3, device="cpu")
    assert model.record()["weights_sha256"] == demo_clip(device="cpu").record()["weights_sha256"]


# --- microbench merge ---


@pytest.mark.parametrize("method", ["linear", "slerp", "soup", "task_arithmetic", "ties"])
def test_a_saved_merge_is_the_merge(pair, tmp_path, method):
    alpha = None if method == "soup" else 0.3
    merge_checkpoints([str(folder) for folder in pair], tmp_path / "merged", method, alpha)
    saved = OpenClip(model=str(tmp_path / "merged"), device="cpu").record()
    merged = OpenClip(model=str(pair[1]), merge_with=str(pair[0]), merge=method, alpha=alpha, device="cpu").record()
    assert saved["weights_sha256"] == merged["weights_sha256"]
    assert saved["preprocessing"] == merged["preprocessing"]
    assert json.loads((tmp_path / "merged" / "merge.json").read_text()) == merged["merge"] | {
        "weights_sha256": merged["weights_sha256"]
    }


def test_a_saved_merge_is_in_open_clips_own_layout(pair, tmp_path):
    merge_checkpoints([str(folder) for folder in pair], tmp_path / "merged", alpha=0.25)
    model = open_clip.create_model(f"local-dir:{tmp_path / 'merged'}", require_pretrained=True)
    for name, values in model.state_dict().items():
        assert torch.allclose(values, 0.75 * weights(pair[0])[name] + 0.25 * weights(pair[1])[name], atol=1e-6), name


def test_a_saved_merge_keeps_preprocessing_that_was_given(tmp_path):
    """open_clip would write down CLIP's for whatever came from a file."""
    (tmp_path / "tiny-squashed.json").write_text(json.dumps(tiny_clip.architecture()))
    open_clip.add_model_config(tmp_path)
    folder = tiny_clip.save(tmp_path / "tiny")
    settings = '{"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "resize_mode": "squash"}'
    (tmp_path / "saved").mkdir()
    loaded = OpenClip.load(
        {"model": "tiny-squashed", "pretrained": str(folder / "open_clip_model.safetensors"), "preprocess": settings}
    )
    OpenClip.save(loaded, tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "open_clip_config.json").read_text())["preprocess_cfg"] == json.loads(
        settings
    )


def test_a_saved_merge_of_transformers_is_in_its_own_layout(transformers_pair, tmp_path):
    merge_checkpoints([str(folder) for folder in transformers_pair], tmp_path / "merged", alpha=0.25)
    model = transformers.AutoModel.from_pretrained(tmp_path / "merged").state_dict()
    states = [transformers.CLIPModel.from_pretrained(folder).state_dict() for folder in transformers_pair]
    assert torch.allclose(
        model["text_projection.weight"],
        0.75 * states[0]["text_projection.weight"] + 0.25 * states[1]["text_projection.weight"],
        atol=1e-6,
    )
    assert (
        transformers.AutoProcessor.from_pretrained(tmp_path / "merged").tokenizer("a cell").input_ids
        == transformers.AutoProcessor.from_pretrained(transformers_pair[0]).tokenizer("a cell").input_ids
    )


def test_a_saved_merge_with_a_text_tower_of_transformers_loads_without_the_hub(tmp_path):
    folders = [tiny_models.biomedclip(tmp_path / str(seed), seed=seed) for seed in range(2)]
    settings = merge_checkpoints([str(folder) for folder in folders], tmp_path / "merged", alpha=0.5)
    assert (
        OpenClip(model=str(tmp_path / "merged"), device="cpu").record()["weights_sha256"] == settings["weights_sha256"]
    )


def test_nothing_is_left_of_a_merge_that_failed(pair, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="exists already"):
        merge_checkpoints([str(folder) for folder in pair], tmp_path / "out")
    with pytest.raises(ValueError, match="alpha=2"):
        merge_checkpoints([str(folder) for folder in pair], tmp_path / "out" / "merged", alpha=2)
    with pytest.raises(ValueError, match="at least two"):
        merge_checkpoints([str(pair[0])], tmp_path / "out" / "merged")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plip", "transformers_clip"),
        ("quiltnet", "open_clip"),
        ("hf-hub:a/b", "open_clip"),
        ("ViT-B-32:openai", "open_clip"),
        ("vinid/plip", "transformers_clip"),
        ("conch", "conch"),
    ],
)
def test_the_library_is_told_from_the_name(name, expected):
    assert infer_adapter(name) == expected


def test_the_library_is_told_from_the_files(pair, transformers_pair, tmp_path):
    assert infer_adapter(str(pair[0])) == "open_clip"
    assert infer_adapter(str(transformers_pair[0])) == "transformers_clip"
    with pytest.raises(ValueError, match="expected a folder with open_clip_config.json"):
        infer_adapter(str(tmp_path))
    with pytest.raises(ValueError, match="a checkpoint file does not say its architecture"):
        infer_adapter(str(pair[0] / "open_clip_config.json"))
    with pytest.raises(ValueError, match="no such folder, repository or model"):
        infer_adapter("nothing")


def test_checkpoints_of_two_libraries_are_refused(pair, transformers_pair, tmp_path):
    with pytest.raises(
        ValueError, match="Checkpoints of different libraries cannot be merged: .*open_clip.*transformers_clip"
    ):
        merge_checkpoints([str(pair[0]), str(transformers_pair[0])], tmp_path / "merged")


# --- microbench sweep ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ("0:1:0.3", [0, 0.3, 0.6, 0.9]),
        ("0.5:0.5:1", [0.5]),
        ("1,0,0.5", [1, 0, 0.5]),
        ("0.3", [0.3]),
    ],
)
def test_alphas_are_exact_and_include_the_end_if_a_step_falls_on_it(text, expected):
    assert sweep.parse_alphas(text) == expected


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.3, "0.3"), (1.0, "1"), (0.12345671, "0.12345671")])
def test_an_alpha_is_passed_on_as_what_it_is(tmp_path, monkeypatch, value, text):
    seen = []
    monkeypatch.setattr("microbench_adapters.commands.sweep._figures", lambda results: results)

    def evaluate():
        import sys

        seen.append(sys.argv)
        folder = tmp_path / f"alpha_{text}"
        folder.mkdir()
        (folder / "1_results.json").write_text("{}")

    sweep.run_sweep([value], [], "model=/a,merge_with=/b", tmp_path, evaluate)
    assert seen == [
        [
            "lmms_eval",
            "--model_args",
            f"model=/a,merge_with=/b,alpha={text}",
            "--output_path",
            str(tmp_path / f"alpha_{text}"),
        ]
    ]
    assert json.loads((tmp_path / "sweep.json").read_text())[0]["alpha"] == value


def test_a_sweep_that_was_interrupted_goes_on_in_its_folder(tmp_path, monkeypatch):
    """Rows of other arguments are not those of the same sweep."""
    monkeypatch.setattr("microbench_adapters.commands.sweep._figures", lambda results: results)

    def evaluate(*, ends=None):
        folder = Path(sys.argv[-1])
        if ends is not None and folder.name != "alpha_1":
            raise SystemExit(ends)
        folder.mkdir(exist_ok=True)
        (folder / f"{len(list(folder.iterdir()))}_results.json").write_text("{}")

    def swept(values, model_args="model=/a,merge_with=/b", **options):
        rows = sweep.run_sweep(values, [], model_args, tmp_path, partial(evaluate, **options))
        assert json.loads((tmp_path / "sweep.json").read_text()) == rows
        return [row["alpha"] for row in rows]

    with pytest.raises(sweep.SweepInterrupted) as interruption:
        swept([1, 0, 0.5], ends=130)
    assert interruption.value.remaining == [0, 0.5]
    with pytest.raises(sweep.SweepFailedError, match="alpha=0 failed; see above. 0 of 2 are done") as failure:
        swept([0, 0.5], ends=1)
    assert failure.value.remaining == [0, 0.5]
    assert swept([0, 0.5]) == [0, 0.5, 1]
    assert swept([0.25], model_args="model=/a,merge_with=/c") == [0.25]


@pytest.mark.parametrize(
    "text", ["", "0:1", "0:1:0", "1:0:0.1", "0:1:-0.1", "a", "0,nan", "0,0", "0:1:1e-9", "0:inf:1"]
)
def test_alphas_that_make_no_sweep_are_refused(text):
    with pytest.raises(ValueError, match="--alpha .*: expected"):
        sweep.parse_alphas(text)


def test_within_a_sweep_checkpoints_are_read_once_and_stay_as_they_were(pair, monkeypatch):
    read = []
    load = OpenClip.load.__func__
    monkeypatch.setattr(
        OpenClip,
        "load",
        classmethod(lambda cls, specification: read.append(specification["model"]) or load(cls, specification)),
    )
    alone = [
        OpenClip(model=str(pair[1]), merge_with=str(pair[0]), alpha=alpha, device="cpu").record()
        for alpha in (0.2, 0.9, 0)
    ]
    assert len(read) == 6
    with loading.cache_checkpoints():
        together = [
            OpenClip(
                model=str(pair[1]), merge_with=str(pair[0]), alpha=alpha, device="cpu", precision=precision
            ).record()
            for alpha, precision in ((0.2, "fp32"), (0.9, "bf16"), (0, "fp32"))
        ]
    assert len(read) == 8
    assert [record["weights_sha256"] for record in together] == [record["weights_sha256"] for record in alone]


def test_a_merge_beyond_all_range_is_refused(pair):
    with pytest.raises(
        ValueError,
        match="merge=task_arithmetic of .*contain values that are not finite|returned vectors that are not finite",
    ):
        OpenClip(model=str(pair[1]), merge_with=str(pair[0]), merge="task_arithmetic", alpha=1e39, device="cpu")


def test_a_sweep_checks_every_alpha_before_the_first_run(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="alpha=2"):
        sweep.run_sweep([0, 1, 2], [], "model=/a,merge_with=/b", tmp_path, lambda: pytest.fail("was run"))
    with pytest.raises(ValueError, match="--predict_only"):
        sweep.run_sweep([0, 1], ["--predict_only"], "model=/a,merge_with=/b", tmp_path, lambda: pytest.fail("was run"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        sweep.run_sweep([0, 1], [], "model=/a,merge_with=/b", tmp_path, lambda: pytest.fail("was run"))


@pytest.mark.parametrize("model_args", ["", "model=/a", "merge_with=/b,alpha=0.5"])
def test_a_sweep_without_a_base_or_with_an_alpha_of_its_own_is_refused(model_args, tmp_path):
    with pytest.raises(ValueError, match="a sweep needs merge_with=<base> in it, and sets alpha itself"):
        sweep.run_sweep([0, 1], [], model_args, tmp_path, lambda: pytest.fail("was run"))


def test_a_merge_that_cannot_be_written_says_where_and_leaves_nothing(pair, tmp_path, monkeypatch):
    def full_disk(loaded, folder):
        (folder / "part").write_text("")
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(OpenClip, "save", staticmethod(full_disk))
    out = tmp_path / "merged"
    with pytest.raises(ValueError, match=f"--out {out}: cannot be written: No space left on device"):
        merge_checkpoints([str(folder) for folder in pair], out, "linear", 0.5)
    assert list(tmp_path.iterdir()) == []


def _sweep_of_fakes(out, values, monkeypatch, arguments=(), model_args="model=/a,merge_with=/b", **options):
    """Alphas in the table of a sweep whose runs write an empty results file."""

    def evaluate():
        folder = Path(sys.argv[-1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(list(folder.iterdir()))}_results.json").write_text("{}")

    monkeypatch.setattr(sweep, "_row", lambda value, path, out: {"alpha": value, "results": str(path.relative_to(out))})
    sweep.run_sweep(values, arguments, model_args, out, evaluate, **options)
    return [row["alpha"] for row in json.loads((out / sweep.SWEEP_FILE).read_text())]


@pytest.mark.parametrize(
    ("arguments", "model_args", "data", "expected"),
    [
        (["--tasks", "t", "--batch_size", "16"], "model=/a,merge_with=/b", ["d"], [0.0, 0.5, 1.0]),
        (["--tasks", "t", "--device=cpu"], "model=/a,cache_dir=x,merge_with=/b", ["d"], [0.0, 0.5, 1.0]),
        (["--tasks", "u"], "model=/a,merge_with=/b", ["d"], [0.5]),
        (["--tasks", "t"], "model=/c,merge_with=/b", ["d"], [0.5]),
        (["--tasks", "t"], "model=/a,merge_with=/b", ["e"], [0.5]),
    ],
    ids=["batch size", "device and cache", "other tasks", "another model", "other data"],
)
def test_a_sweep_goes_on_with_all_that_decides_figures_equal(
    arguments, model_args, data, expected, tmp_path, monkeypatch
):
    _sweep_of_fakes(tmp_path, [0.0, 1.0], monkeypatch, ["--tasks", "t"], data_settings=["d"])
    assert _sweep_of_fakes(tmp_path, [0.5], monkeypatch, arguments, model_args, data_settings=data) == expected


def test_a_sweep_that_is_stopped_keeps_the_rows_that_it_had(tmp_path, monkeypatch):
    _sweep_of_fakes(tmp_path, [0.0, 0.5, 1.0], monkeypatch)
    assert _sweep_of_fakes(tmp_path, [0.0], monkeypatch) == [0.0, 0.5, 1.0]
