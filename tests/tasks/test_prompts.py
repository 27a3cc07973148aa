"""Claims about what models are asked."""

import numpy as np
from PIL import Image

from microbench_tasks.tasks import prompts

DOC = {
    "question": "Which cell?",
    "options": ["platelet", "basophil", "none of the above"],
    "captions": ["A smear of platelet.", "A smear of basophil.", "none of the above"],
    "answer_idx": 1,
    "image_key": "abc/3",
}


def test_the_prompt_is_the_papers_to_the_letter():
    assert (
        prompts.microbench_doc_to_text(DOC) == "Answer with a single letter, no extra details.\nQuestion:Which cell?\n"
        "A) platelet\nB) basophil\nC) none of the above"
    )


def test_eight_options_reach_the_letter_h():
    text = prompts.microbench_doc_to_text({"question": "?", "options": [str(number) for number in range(8)]})
    assert text.splitlines()[-1] == "H) 7"


def test_choices_are_the_captions_and_the_target_their_index():
    choices = prompts.microbench_doc_to_choice(DOC)
    assert choices[prompts.microbench_doc_to_target(DOC)] == "A smear of basophil."


def test_the_visual_is_one_rgb_image():
    gray = Image.fromarray(np.array([[0, 4095]], dtype=np.uint16))
    [image] = prompts.microbench_doc_to_visual({"image": gray})
    assert image.mode == "RGB"
    assert np.asarray(image).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_the_image_key_needs_no_image():
    assert prompts.microbench_doc_to_visual.image_key(DOC) == "abc/3"
