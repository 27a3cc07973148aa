"""List how each model is asked for boxes: prompt and convention, with sources.

The convention belongs to the pair of model and prompt: it is what a family of models was trained to write when it is
asked in its own words. Models whose convention is not known are asked for a neutral format.
"""

from __future__ import annotations

from dataclasses import dataclass

from microbench_tasks.tasks.image_resizing import LMMS_EVAL_LIMITS, PixelLimits, Size, smart_resize


@dataclass(frozen=True)
class DetectionFormat:
    """Describe how one model is asked for the boxes of a class, and how it writes them.

    Args:
        convention: a key of `microbench_tasks.parsing.boxes.conventions.CONVENTIONS`.
        template: of the prompt; ``{class}``, ``{W}`` and ``{H}`` are replaced.
        source: where the two come from, and how sure that is.
        limits: of the model's `smart_resize`; None if it does not resize images so.
        template_when_empty: of the prompt for a second try, after an empty answer; None if there is none.
    """

    convention: str
    template: str
    source: str
    limits: PixelLimits | None = None
    template_when_empty: str | None = None

    def prompt(self, class_name: str, image_size: Size) -> str:
        """Return the prompt for one class; it states the size of the image that the model sees.

        Args:
            class_name: in words.
            image_size: width and height of the image in pixels.
        """
        return self._fill(self.template, class_name, image_size)

    def prompt_when_empty(self, class_name: str, image_size: Size) -> str | None:
        """Return the prompt for a second try, after an empty answer; None if there is none."""
        template = self.template_when_empty
        return None if template is None else self._fill(template, class_name, image_size)

    def model_input_size(self, image_size: Size) -> Size:
        """Return width and height of the image that the model sees: its own, unless the model resizes it."""
        return image_size if self.limits is None else smart_resize(image_size, self.limits)

    def _fill(self, template: str, class_name: str, image_size: Size) -> str:
        width, height = self.model_input_size(image_size)
        # The class comes last: its name may contain a placeholder.
        return template.replace("{W}", str(width)).replace("{H}", str(height)).replace("{class}", class_name)


# The format of the paper's Figure 1.
NEUTRAL_FORMAT = DetectionFormat(
    "pixels_xyxy",
    "Detect every {class} in this image. The image is {W} pixels wide and {H} pixels high. "
    "Answer with a JSON array only, with one object per instance: "
    '{"x1": left, "y1": top, "x2": right, "y2": bottom}, in pixels from the top left corner. '
    "Answer [] if there is none.",
    "Micro-Bench, Figure 1 (boxes as objects, in pixels); the wording is ours",
)

# In some images it finds objects only when it is asked to segment them.
_PALIGEMMA = DetectionFormat(
    "loc1024_yxyx",
    "detect {class}",
    "GitHub Ale9806/eVLLM and google-research/big_vision: code; the second try: eVLLM",
    template_when_empty="segment {class}; {class}",
)
_QWEN_VL = DetectionFormat("grid1000_xyxy", "Detect {class}", "GitHub Ale9806/eVLLM and QwenLM/Qwen-VL: code")
_QWEN2_VL = DetectionFormat(
    "grid1000_xyxy",
    "Detect the bounding box of <|object_ref_start|>{class}<|object_ref_end|>",
    "GitHub QwenLM/Qwen3-VL, issues 189, 721 and 866: maintainers on the scale; prompt inferred from the tokenizer",
)
_QWEN_JSON_PROMPT = (
    "Locate every instance that belongs to the following categories: '{class}'. Report bbox coordinates in JSON format."
)
_QWEN2_5_VL = DetectionFormat(
    "pixels_xyxy_model_input",
    _QWEN_JSON_PROMPT,
    "GitHub QwenLM/Qwen3-VL, evaluation/ODinW-13: code; issues 721, 830, 866 and 940: maintainers",
    limits=LMMS_EVAL_LIMITS,
)
_QWEN3_VL = DetectionFormat(
    "grid1000_xyxy", _QWEN_JSON_PROMPT, "GitHub QwenLM/Qwen3-VL, README and cookbooks: documentation"
)
_QWEN3_5 = DetectionFormat(
    "grid1000_xyxy",
    _QWEN_JSON_PROMPT,
    "as Qwen3-VL, by a maintainer's word for most cases: GitHub QwenLM/Qwen3.8-Flash-Next, issue 4",
)
_REGION_PROMPT = "Please provide the bounding box coordinate of the region this sentence describes: "
_INTERNVL = DetectionFormat(
    "grid1000_xyxy",
    _REGION_PROMPT + "<ref>{class}</ref>",
    "GitHub OpenGVLab/InternVL, eval/refcoco: code; inferred for versions 3 and 3.5",
)
_LLAVA = DetectionFormat(
    "norm1_xyxy_padded_square",
    _REGION_PROMPT + "{class}",
    "GitHub haotian-liu/LLaVA, issues 606 and 822: inferred, its users disagree about the padding",
)
_GEMINI_PROMPT = "Detect the 2d bounding boxes of {class}. Return a JSON array with labels, no masks, no code fence."
_GEMINI = DetectionFormat(
    "grid1000_yxyx", _GEMINI_PROMPT, "GitHub google-gemini/cookbook, Spatial_understanding: code and documentation"
)
_GEMMA3 = DetectionFormat(
    "grid1000_yxyx", _GEMINI_PROMPT, "inferred: staff call it likely in the Hub's discussion 38 of gemma-3-4b-it"
)
_CLAUDE = DetectionFormat(
    "pixels_xyxy_model_input",
    "Return the bounding box of each {class} as [x1, y1, x2, y2] (top-left and bottom-right corners) "
    "in pixel coordinates.",
    "platform.claude.com, vision: documentation; images within the service's limits are taken to keep their size",
)
_MINICPM = DetectionFormat(
    "grid1000_xyxy",
    _REGION_PROMPT + "<ref>{class}</ref>",
    "GitHub OpenBMB/MiniCPM-V, issues 185, 772 and 982: maintainers",
)
_GLM4V = DetectionFormat(
    "grid1000_xyxy",
    "Please pinpoint the bounding box [[x1,y1,x2,y2], …] in the image as per the given description. {class}",
    "GitHub zai-org/GLM-V, README and glmv_reward: code and documentation",
)
_SAM3 = DetectionFormat(
    "norm1_xyxy",
    "{class}",
    "lmms-eval, models/simple/sam3.py: code; it reads the phrase from the document, not from the prompt",
)

# Models of which no convention is known are left out, and models that serve any checkpoint (openai, vllm, …).
FORMAT_OF_MODEL: dict[str, DetectionFormat] = {
    # Writes in any format.
    "microbench_random": NEUTRAL_FORMAT,
    "paligemma": _PALIGEMMA,
    "qwen_vl": _QWEN_VL,
    "qwen_vl_chat": _QWEN_VL,
    "qwen2_vl": _QWEN2_VL,
    "qwen2_5_vl": _QWEN2_5_VL,
    "qwen3_vl": _QWEN3_VL,
    "qwen3_5": _QWEN3_5,
    "internvl": _INTERNVL,
    "internvl2": _INTERNVL,
    "internvl3": _INTERNVL,
    "internvl3_5": _INTERNVL,
    "internvl_hf": _INTERNVL,
    "llava": _LLAVA,
    "llava_hf": _LLAVA,
    "llava_sglang": _LLAVA,
    "gemini": _GEMINI,
    "gemini_api": _GEMINI,
    "gemma3": _GEMMA3,
    "claude": _CLAUDE,
    "minicpm_v": _MINICPM,
    "minicpm_o": _MINICPM,
    "glm4v": _GLM4V,
    "sam3": _SAM3,
}
# The id of the model of this package that loads a checkpoint of any family. Its format follows from the checkpoint's
# type, which is known once it is loaded.
LOADED_BY_TYPE = "transformers_vlm"
# By the model_type of transformers. Types of which no convention is known are left out.
FORMAT_OF_MODEL_TYPE: dict[str, DetectionFormat] = {
    "paligemma": _PALIGEMMA,
    "qwen2_vl": _QWEN2_VL,
    "qwen2_5_vl": _QWEN2_5_VL,
    "qwen3_vl": _QWEN3_VL,
    "qwen3_vl_moe": _QWEN3_VL,
    "qwen3_5": _QWEN3_5,
    "qwen3_5_moe": _QWEN3_5,
    "internvl": _INTERNVL,
    "llava": _LLAVA,
    "llava_next": _LLAVA,
    "gemma3": _GEMMA3,
    "glm4v": _GLM4V,
    "glm4v_moe": _GLM4V,
}
NEUTRAL = "neutral"
FORMAT_BY_NAME = {NEUTRAL: NEUTRAL_FORMAT} | FORMAT_OF_MODEL
