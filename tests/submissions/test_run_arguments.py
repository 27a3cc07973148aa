"""Claims about which model arguments and generation keys a submission may have."""

import ast
import inspect
from pathlib import Path

import pytest

from microbench_adapters.libraries.conch_adapter import Conch
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from microbench_adapters.libraries.transformers_adapter import TransformersClip
from microbench_adapters.libraries.transformers_vlm_adapter import TransformersVlm
from microbench_adapters.models.random_model import RandomModel
from microbench_tasks.submissions import run_arguments
from microbench_tasks.submissions.run_arguments import find_generation_violations, find_model_violations
from microbench_tasks.util import argument_text

HARMLESS = [
    "pretrained=org/prompt-tuned,limit_mm_per_prompt={'image': 1},conv_template=vicuna_v1,max_tokens=3",
    "model=Qwen/Qwen3-VL-8B-Instruct,base_url=http://localhost:8000/v1,num_cpus=32,timeout=120,api_key=[REDACTED]",
    "model=ViT-B-32,pretrained=logs/epoch_10.pt,precision=bf16,context_length=77,device=cpu",
    "model=plip,merge_with=clip,alpha=0.5,merge=linear",
    'model=ViT-S-32-alt,pretrained=a.pt,preprocess={"mean": [0.5, 0.5, 0.5], "resize_mode": "shortest"}',
    'model=x,override_generation_config={"temperature": 0},mm_processor_kwargs=\'{"max_pixels": 401408}\'',
    "pretrained=x,min_pixels=200704,max_pixels=401408,attn_implementation=sdpa,interleave_visuals=False,reasoning_prompt=",
    "model=x,generation_config=vllm,async_scheduling=True,mm_encoder_tp_mode=data,disable_log_requests=True",
    "model_version=gemini-2.5-pro,interleave=False,timeout=120,think_mode=False,disable_thinking=False",
    {"model": "system", "chat_template": None, "extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
    "",
    None,
]


@pytest.mark.parametrize("arguments", HARMLESS)
def test_arguments_that_change_no_prompt_are_accepted(arguments):
    assert find_model_violations("--model_args", arguments) == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("pretrained=x,system_prompt=You are a pathologist", "system_prompt"),
        ('model=x,preprocess={"mean": [0.5], "prompt": "Think."}', "preprocess.prompt"),
        # Without a text, too: classes for Qwen and Gemma send one of their own unless told otherwise.
        ("pretrained=x,system_prompt=", "system_prompt"),
        ({"pretrained": "x", "system_prompt": None}, "system_prompt"),
        # A system prompt of the class's own (uni_moe_2_omni).
        ("pretrained=x,think_mode=True", "think_mode"),
        ("model_version=gemini-2.5-pro,interleave=True", "interleave"),
        # vLLM takes a text for the template itself.
        ({"model": "x", "chat_template": ""}, "chat_template"),
        # Typed, it is the text "None".
        ("model=x,chat_template=None", "chat_template"),
        ("pretrained=x,reasoning_prompt=None", "reasoning_prompt"),
        ("model=x,generation_config=./mine", "generation_config"),
        ("pretrained=x,reasoning_prompt=Think.", "reasoning_prompt"),
        ("pretrained=x,Reasoning_Prompt=Think.", "Reasoning_Prompt"),
        ("model=x,chat_template={{ messages }}", "chat_template"),
        # The name of a file in the current folder.
        ("model=x,chat_template=cheat", "chat_template"),
        ("pretrained=x,conv_template=./mine.json", "conv_template"),
        ("pretrained=x,interleave_visuals=True", "interleave_visuals"),
        ("pretrained=x,add_generation_prompt=False", "add_generation_prompt"),
        ("model=x,tokenizer=me/with-a-template", "tokenizer"),
        ("model=x,hint=B", "hint"),
        ("model=x,mcp_server_path=tools.py", "mcp_server_path"),
        ("model=x,hf_overrides={'text_config': {}}", "hf_overrides"),
        ("model=x,extra_body={'messages': []}", "extra_body.messages"),
        ('model=x,extra_body=\'{"chat_template_kwargs": {"hint": "B"}}\'', "extra_body.chat_template_kwargs.hint"),
        ("model=x,extra_body={cannot be read", "extra_body.unreadable"),
        ("model=x,generation_config={'bad_words_ids': [[1]]}", "generation_config.bad_words_ids"),
        ("model=x,override_generation_config={'stop': ['x']}", "override_generation_config.stop"),
        ("model=x,max_pixels={'prompt': 'B'}", "max_pixels"),
        ({"model": ["x", {"prompt": "B"}]}, "model"),
        ("hf_abcdefghijklmnopqrstuvwxyz0123456789", "a part that is not name=value"),
        (["system_prompt"], "a list instead of arguments"),
    ],
)
def test_an_unknown_argument_is_refused_by_name_with_the_way_out(arguments, name):
    [reason] = find_model_violations("--model_args", arguments)
    assert reason.startswith(f"--model_args: {name}: ")
    assert "unknown argument: it may change the prompt or the image" in reason or "it cuts the answer" in reason
    assert "Run without it" in reason


@pytest.mark.parametrize(
    "settings",
    ["max_new_tokens=12,temperature=0.5,top_p=0.9,do_sample=True,num_beams=3", {"until": [], "n": 1}, "", None],
)
def test_keys_for_length_and_sampling_of_an_answer_are_accepted(settings):
    assert find_generation_violations("--gen_kwargs", settings) == []


@pytest.mark.parametrize(
    ("settings", "name", "why"),
    [
        ({"until": ["\n"]}, "until", "it cuts the answer"),
        ("until=Question", "until", "it cuts the answer"),
        # Before "None of the above".
        ("until=None", "until", "it cuts the answer"),
        ({"stop": "B"}, "stop", "it cuts the answer"),
        ("pre_prompt=Think.", "pre_prompt", "unknown"),
        ({"guided_choice": ["A", "B"]}, "guided_choice", "unknown"),
        ({"response_format": {"type": "json"}}, "response_format", "unknown"),
        ({"temperature": {"system_prompt": "x"}}, "temperature", "unknown"),
        # A model argument is none here.
        ("pretrained=x", "pretrained", "unknown"),
        ({"limit_mm_per_prompt": {}}, "limit_mm_per_prompt", "unknown"),
    ],
)
def test_other_generation_keys_are_refused_by_name(settings, name, why):
    [reason] = find_generation_violations("--gen_kwargs", settings)
    assert reason.startswith(f"--gen_kwargs: {name}: {why}")


def test_an_argument_within_a_mapping_is_none_of_the_model():
    """What precision and limits of boxes are read from."""
    typed = argument_text.parse_arguments("model=x,mm_processor_kwargs={'size': 1,max_pixels=2},precision=bf16")
    assert typed == {"model": "x", "mm_processor_kwargs": "{'size': 1,max_pixels=2}", "precision": "bf16"}


def test_no_value_and_no_secret_stands_in_a_reason():
    token = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
    reasons = find_model_violations("--model_args", f"system_prompt={token},{token}=1,\x1b[31mname=2")
    assert len(reasons) == 3
    assert all(token not in reason and reason.isascii() and reason.isprintable() for reason in reasons)


@pytest.mark.parametrize(
    "text",
    ["a=1,b={'x': 1, 'y': [2, 3]},c=d", 'a="1,2",b=\'{"k": "v,w"}\'', "a=[1,2],b=it's,c=2", 'a=\\",b=1', "a={,b=1"],
)
def test_arguments_are_split_as_the_harness_splits_them(text):
    from lmms_eval.utils import simple_parse_args_string

    assert [name for name, _ in argument_text.iterate_arguments(text)] == list(simple_parse_args_string(text))


def test_no_argument_of_the_harness_that_is_named_after_a_prompt_is_accepted():
    """Read from the source of every model class; what the names say is another rule than the list."""
    import lmms_eval.models

    words = {
        "prompt",
        "system",
        "instruction",
        "template",
        "message",
        "messages",
        "negative",
        "token",
        "interleave",
        "stops",
        "mcp",
    }
    # The first two count tokens or videos. An image as tokens is what these models get anyway. A template by its name
    # is one of the library's own.
    accepted = {
        "max_think_token_n",
        "si_token_len",
        "miv_token_len",
        "pad_token_id",
        "faster_token_stride",
        "conv_template",
    }
    found = set()
    for file in Path(lmms_eval.models.__path__[0]).glob("*/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                found |= {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    suspicious = {name for name in found if words & set(name.lower().split("_"))}
    assert len(suspicious) > 20
    assert suspicious & run_arguments.MODEL_ARGUMENTS <= accepted


def test_every_argument_of_our_own_models_is_accepted_that_leaves_the_prompt_as_it_is():
    """A run with one of them would otherwise be refused when it is submitted, after its work is done."""
    own = [OpenClip, TransformersClip, Conch, PaliGemma, TransformersVlm, RandomModel]
    arguments = {name for model in own for name in inspect.signature(model).parameters}
    assert {"pixels_dir", "cache_dir", "precision", "seed"} <= arguments
    assert arguments - run_arguments.MODEL_ARGUMENTS == {"chat_template", "plain_prompt"}
    assert run_arguments.find_model_violations("--model_args", "model=x,plain_prompt=False") == []
    for typed in ("plain_prompt=True", "chat_template=my.jinja"):
        [violation] = run_arguments.find_model_violations("--model_args", f"model=x,{typed}")
        assert "it may change the prompt" in violation
