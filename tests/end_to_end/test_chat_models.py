"""A chat model of the harness, with small random weights, against a plain loop from the model's documentation."""

from __future__ import annotations

import pytest
import torch
import transformers
from lmms_eval import evaluator
from PIL import Image

from tests.support import tiny_chat
from tests.support.independent import KINDS, box_cases, protocol_prompt, raw_questions, raw_rows, shown

pytest.importorskip("decord", reason="lmms-eval's qwen2_5_vl needs it, and it is not built for this platform")

LIMIT = 3
NEW_TOKENS = 12
# Of lmms-eval's qwen2_5_vl, where nothing else is said.
PIXELS = {"min_pixels": 200_704, "max_pixels": 1_605_632}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_chat.save(tmp_path_factory.mktemp("chat") / "qwen")


@pytest.fixture(scope="module")
def rows(demo_folder):
    return raw_rows(demo_folder)


@pytest.fixture(scope="module")
def chat_run(folder, demo_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        return evaluator.simple_evaluate(
            model="qwen2_5_vl",
            model_args=f"pretrained={folder},device=cpu,device_map=cpu",
            tasks=["microbench_coarse", "microbench_localization_h2b_nuclei"],
            limit=LIMIT,
            gen_kwargs=f"max_new_tokens={NEW_TOKENS}",
            bootstrap_iters=0,
            log_samples=True,
        )


@pytest.fixture(scope="module")
def plain(folder):
    """Ask the model as documented: the template's text, images by qwen_vl_utils, the processor, greedy generation."""
    from qwen_vl_utils import process_vision_info

    model = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder, **PIXELS)

    def ask(prompt, image):
        messages = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": prompt}]}]
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        images, _ = process_vision_info(messages)
        inputs = processor(text=[text], images=images, return_tensors="pt")
        with torch.inference_mode():
            generated = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)
        return processor.decode(generated[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip(), inputs

    return ask


@pytest.mark.parametrize("kind", KINDS)
def test_the_harnesss_own_chat_class_answers_the_papers_prompt_about_the_rows_image(kind, chat_run, plain, rows):
    expected = [
        plain(protocol_prompt(question), Image.fromarray(shown(row)))[0]
        for row, question in raw_questions(rows, kind)[:LIMIT]
    ]
    assert [sample["filtered_resps"][0] for sample in chat_run["samples"][f"microbench_coarse_{kind}"]] == expected


def test_the_small_models_answers_depend_on_prompt_and_image(plain, rows):
    (row, question), (other_row, _) = raw_questions(rows, "domain")[0], raw_questions(rows, "domain")[-1]
    _, other_question = raw_questions(rows, "stain")[0]
    first, image_changed, prompt_changed = (
        plain(protocol_prompt(asked), Image.fromarray(shown(seen)))[0]
        for asked, seen in ((question, row), (question, other_row), (other_question, row))
    )
    assert first != image_changed
    assert first != prompt_changed


def test_an_image_for_boxes_comes_at_the_size_the_model_sees_so_that_no_later_step_resizes_it(chat_run, plain, rows):
    samples = chat_run["samples"]["microbench_localization_h2b_nuclei"]
    for sample, (row, name, _) in zip(samples, box_cases(rows, "h2b_nuclei")[:LIMIT], strict=True):
        height, width = shown(row).shape[:2]
        assert width == height < 448
        # The smallest area that the processor lets through is 448 x 448 pixels: 32 x 32 patches of 14.
        image = Image.fromarray(shown(row)).resize((448, 448), Image.Resampling.BICUBIC)
        assert (
            chat_run["configs"]["microbench_localization_h2b_nuclei"]["metadata"]["boxes"]["convention"]
            == "pixels_xyxy_model_input"
        )
        prompt = (
            chat_run["configs"]["microbench_localization_h2b_nuclei"]["metadata"]["boxes"]["prompt"]
            .replace("{class}", name)
            .replace("{W}", "448")
            .replace("{H}", "448")
        )
        answer, inputs = plain(prompt, image)
        assert inputs["image_grid_thw"].tolist() == [[1, 32, 32]]
        assert sample["grit"]["model_input_size"] == [448, 448]
        assert sample["filtered_resps"][0] == answer


# What the class's decoder may give: the strict rule's letter, its kind, and what is taken off.
DECODED = {
    "A": ("A", "parsed", []),
    "B<|im_end|>": ("B", "parsed", ["end_token"]),
    "<think>The answer is A.</think>B": ("B", "parsed", ["reasoning"]),
    "<think>The answer is A": (None, "truncated", ["reasoning"]),
    "<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>": (
        "B",
        "parsed",
        ["channel", "end_token"],
    ),
    "B \ud83d": ("B", "parsed", []),
    "": (None, "empty", []),
}


def test_what_the_chat_class_decodes_is_read_right_and_stored(folder, demo_folder, tmp_path, monkeypatch):
    remaining = list(DECODED)
    monkeypatch.setattr(
        transformers.Qwen2_5_VLProcessor, "batch_decode", lambda self, *args, **kwargs: [remaining.pop()]
    )
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")

    def evaluate():
        return evaluator.simple_evaluate(
            model="qwen2_5_vl",
            model_args=f"pretrained={folder},device=cpu,device_map=cpu",
            tasks=["microbench_coarse_domain"],
            limit=len(DECODED),
            gen_kwargs="max_new_tokens=1",
            bootstrap_iters=0,
            log_samples=True,
            use_cache=str(tmp_path),
        )["samples"]["microbench_coarse_domain"]

    samples = evaluate()
    expected = {said.replace("\ud83d", "\ufffd"): read for said, read in DECODED.items()}
    read = {
        sample["filtered_resps"][0]: (
            sample["acc_strict"]["predicted"],
            sample["unparsed"]["kind"],
            sample["failed"]["taken_off"],
        )
        for sample in samples
    }
    assert (read, remaining) == (expected, [])
    # Again, only the empty answer is asked for.
    remaining.append("A")
    assert sorted(sample["filtered_resps"][0] for sample in evaluate()) == sorted([*(expected.keys() - {""}), "A"])
    assert remaining == []
