"""Real micrographs become datasets in three ways, and models are asked about exactly them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from tests.support import own_images
from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, results_in, run
from tests.support.own_images import CELL, GLAND

WORDS = ("--question", "What is shown?", "--captions", "A micrograph of a {class}.")
NAMES = ("folders", "labelled", "tabled")
PER_CLASS = 6


def class_of_image() -> dict[str, str]:
    """Return the class of each image by its id, from the pixels of the source."""
    found = {}
    for class_name in (GLAND, CELL):
        for number in range(PER_CLASS):
            pixels = own_images.tile(class_name, number)
            rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
            found[hashlib.sha256(b"64 64 " + rgb.tobytes()).hexdigest()[:32]] = class_name
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Three datasets about the same images, made by three forms of input."""
    source, own = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("own")
    photos = own_images.class_folders(source / "photos", PER_CLASS)
    own_images.write_annotations(photos, source)
    forms = {
        "folders": ("--images", photos),
        "labelled": ("--images", photos, "--labels", source / "labels.csv", "--groups", "slide"),
        "tabled": ("--table", source / "table.parquet", "--column", "image=img", "--column", "class=label"),
    }
    for name, form in forms.items():
        done = run(SCRIPTS / "microbench", "new-dataset", name, *form, *WORDS, "--out", own / name)
        assert done.returncode == 0, done.stderr
    return own


def harness(out, own, *arguments):
    done = run(*(SCRIPTS / "lmms_eval", *arguments, "--output_path", out, "--log_samples"), MICROBENCH_OWN=str(own))
    assert done.returncode == 0, done.stderr
    return results_in(out)["results"]


def right_answers(out, name) -> list[bool]:
    """Score the logged answers by the class of the image's source."""
    [log] = out.rglob(f"*_samples_microbench_own_{name}.jsonl")
    classes, right = class_of_image(), []
    for line in log.read_text().splitlines():
        sample = json.loads(line)
        options = [text.partition(") ")[2] for text in sample["input"].splitlines()[-2:]]
        answered = options["AB".index(sample["filtered_resps"][0])]
        right.append(answered == classes[sample["acc"]["image_id"]])
    return right


@pytest.mark.parametrize("model", ["demo_clip", "microbench_random"])
def test_figures_equal_those_of_the_answers_and_the_folders(own, tmp_path, model):
    results = harness(tmp_path, own, "--model", model, "--tasks", "microbench_own")
    for name in NAMES:
        right = right_answers(tmp_path, name)
        assert len(right) == 2 * PER_CLASS
        assert results[f"microbench_own_{name}"]["acc,none"] == pytest.approx(np.mean(right), abs=1e-12)
    groups = {name: results[f"microbench_own_{name}"]["counts,none"].get("groups") for name in NAMES}
    assert groups == {"folders": None, "labelled": 4, "tabled": None}


def test_a_served_model_sees_the_pixels_of_the_source_and_nothing_that_names_it(own, tmp_path):
    def answer(prompt, pixels):
        options = [line.partition(") ")[2] for line in prompt.splitlines()[-2:]]
        # The micrograph of the cell is gray.
        is_gray = (pixels[..., 0] == pixels[..., 1]).all()
        return Reply("AB"[options.index(CELL if is_gray else GLAND)])

    with serving(answer) as server:
        results = harness(
            *(tmp_path, own, "--model", "async_openai", "--tasks", "microbench_own_labelled"),
            *("--model_args", f"model_version=stand-in,base_url={server.url},api_key=none"),
        )
    assert results["microbench_own_labelled"]["acc,none"] == 1.0
    assert not server.faults
    seen = sorted(hashlib.sha256(b"64 64 " + pixels).hexdigest()[:32] for _, pixels in server.asked)
    assert seen == sorted(class_of_image())
    assert not any(".png" in prompt or "slide" in prompt for prompt, _ in server.asked)
