"""Claims about classes of the installed harness that swallow exceptions without logging them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import lmms_eval.models

# Methods that swallow an exception without logging it: a value of another form, a video or a sound that cannot be read
# (our tasks send none), or a message that is printed instead of logged.
SILENT = {
    "aero_realtime_vllm.py _generate_one",
    "async_hf_model.py generate_until",
    "async_hf_model.py worker_loop",
    "audio_flamingo_3.py generate_until",
    "cambrian.py generate_until",
    "gemini.py generate_until",
    "gemini.py process_single_request",
    "internvl.py generate_until",
    "kimi_audio.py generate_until",
    "llava_onevision_moviechat.py generate_until",
    "llava_sglang.py generate_until",
    "longvila.py make_one_request",
    "nanovlm.py generate_until",
    "nanovlm.py worker_loop",
    "qwen2_vl.py generate_until",
    "qwen_vl.py generate_until",
    "vora.py generate_until",
    # Its replies are text before it reads them.
    "async_openai.py maybe_forward_with_tool",
    # The harness's own: parts that generate videos and images.
    "generation_api.py _generate_one",
    "generation_api.py _generate_one_v2v",
}
_METHODS = (
    "generate_until",
    "_generate",
    "_infer",
    "process_single",
    "_process",
    "maybe_forward",
    "generate",
    "worker_loop",
    "make_one_request",
    "understand_image",
    "make_request",
)


def test_every_class_of_the_installed_harness_that_swallows_an_exception_logs_it_but_the_known_ones():
    folder = Path(inspect.getsourcefile(lmms_eval.models)).parent
    silent = set()
    for path in sorted([*folder.glob("simple/*.py"), *folder.glob("chat/*.py")]):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
                and function.name.startswith(_METHODS)
                and "multi_round" not in function.name
            ):
                handlers = [
                    handler for block in ast.walk(function) if isinstance(block, ast.Try) for handler in block.handlers
                ]
                silent |= {f"{path.name} {function.name}" for handler in handlers if not _raises_or_logs(handler)}
    assert silent <= SILENT


def _raises_or_logs(handler):
    for node in ast.walk(ast.Module(handler.body, [])):
        if isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and "log" in ast.unparse(node.func.value)
        ):
            return True
    return False
