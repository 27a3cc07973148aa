"""Claims about the labels of runs: short, and with as many arguments as are needed to tell models apart."""

from __future__ import annotations

import pytest

from microbench_tasks.runs.model_labels import apart, short_label
from microbench_tasks.runs.run_records import RunRecord


def label(model, arguments, **record):
    return short_label(RunRecord.model_validate({"config": {"model": model, "model_args": arguments}} | record), "?")


@pytest.mark.parametrize(
    ("model", "arguments", "shown"),
    [
        ("plip", "", "plip"),
        ("transformers_clip", "model=vinid/plip,precision=bf16,batch_size=64", "transformers_clip (plip)"),
        ("open_clip", "model=ViT-B-32,pretrained=/home/me/runs/epoch 3.pt", "open_clip (ViT-B-32, epoch 3.pt)"),
        ("open_clip", "model=local-dir:/home/me/clip/,cache_dir=x", "open_clip (clip)"),
        ("plip", "merge_with=openai/clip,alpha=0.5", "plip (merge_with=clip, alpha=0.5)"),
        ("plip", "merge_with=[openai/clip,./b],merge=soup", "plip (merge_with=clip,b, merge=soup)"),
        ("async_openai", "model_version=gpt-4o,api_key=secret,base_url=http://x/v1", "async_openai (gpt-4o)"),
        ("vllm", f"model={'long-' * 30}", f"vllm ({'long-' * 7}long…)"),
    ],
)
def test_a_label_is_the_type_of_a_model_with_its_weights_and_no_other_argument(model, arguments, shown):
    assert label(model, arguments) == shown


def test_the_name_in_a_list_is_the_label():
    assert label("plip", "precision=bf16", microbench_name="Pathology CLIP") == "Pathology CLIP"


def test_arguments_are_added_only_to_equal_labels_and_only_those_that_tell_them_apart():
    arguments = [{"seed": "1", "batch_size": "8"}, {"seed": "2", "batch_size": "8"}, {"seed": "3"}, {"seed": "1"}]
    labels = ["m (a)", "m (a)", "m (a)", "n"]
    assert apart(labels, arguments) == ["m (a, seed=1)", "m (a, seed=2)", "m (a, seed=3)", "n"]


def test_models_of_the_same_arguments_keep_equal_labels():
    assert apart(["m", "m"], [{"seed": "1"}, {"seed": "1"}]) == ["m", "m"]
