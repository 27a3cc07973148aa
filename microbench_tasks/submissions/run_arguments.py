"""Check model arguments and generation keys of a submitted run against an allow-list.

Some arguments of lmms-eval's classes add to the prompt, reorder it, or cut the answer, and no log shows it. An
argument is accepted only if it is listed here: it selects the weights, how and where they are computed, how a
request is sent, how an image is scaled for the encoder, or the length and sampling of the answer. All accepted
arguments are recorded in the submission. Every other argument is refused by name.

Decided by reading the model classes of lmms-eval 0.7.3. Not accepted on purpose, for example: ``tokenizer`` and
``processor`` (they bring a chat template), ``interleave_visuals`` and ``image_first`` (they move the image),
``disable_thinking`` (``mistral3_vl`` adds a sentence), ``think_mode`` (``uni_moe_2_omni`` adds a system prompt),
``truncate_context`` (cuts the prompt), ``system_prompt`` even without a text (it takes away the one that
``qwen2_5_vl`` and others send by default).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from microbench_tasks.util import privacy
from microbench_tasks.util.argument_text import iterate_arguments

_UNKNOWN = "unknown argument: it may change the prompt or the image that the model gets"
_CUTS = "it cuts the answer, so only a part of what the model said is scored"
_WAY_OUT = "Run without it, or score the run with microbench rescore instead of submitting it."


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Length and sampling of an answer.
SAMPLING = _words("""
    max_new_tokens max_tokens max_completion_tokens max_length min_new_tokens min_tokens min_length
    temperature top_p top_k min_p typical_p do_sample seed num_beams num_beam_groups diversity_penalty length_penalty
    early_stopping repetition_penalty presence_penalty frequency_penalty no_repeat_ngram_size penalty_alpha
    use_cache cache_implementation reasoning_effort thinking_budget enable_thinking decoding
""")

# Selection of the weights, with the checkpoint's own tokenizer and processor.
_WEIGHTS = _words("""
    model pretrained model_version model_name model_path model_base base_model model_id_name model_type revision
    code_revision variant subfolder load_format config_format download_dir cache_dir pixels_dir
    vision_model language_model vision_tower
    pretrained_llm pretrained_vit pretrained_llama_model pretrained_llama_proj_model projection_path peft_model
    merge_with merge alpha density
""")
# Precision, device and engine.
_COMPUTE = _words("""
    device device_map dtype torch_dtype precision weight_type half compile low_cpu_mem_usage trust_remote_code
    attn_implementation attn_backend use_flash_attention_2 use_flash_attn load_in_4bit load_in_8bit tie_weights
    batch_size max_batch_size tensor_parallel_size data_parallel_size pipeline_parallel_size tp tp_size dp_size
    gpu_memory_utilization mem_fraction_static max_model_len max_num_seqs max_num_batched_tokens context_length
    enforce_eager quantization kv_cache_dtype swap_space block_size cpu_offload_gb enable_prefix_caching
    enable_chunked_prefill chunked_prefill_size enable_expert_parallel distributed_executor_backend
    disable_custom_all_reduce disable_log_stats worker_count worker_gpus num_processes threads parallel
    compile_prefilling reduce_generation_overhead infer_auto_device_map skip_mm_profiling tokenizer_mode
    disable_mm_preprocessor_cache mm_processor_cache_gb mm_encoder_tp_mode async_scheduling disable_log_requests
    pad_token_id
""")
# Connection to a server, and folders for files.
_TRANSPORT = _words("""
    base_url api_url api_key host port timeout request_timeout max_retries max_retry retry_backoff_s num_concurrent
    num_cpus azure_openai httpx_trust_env vertexai project location work_dir tmp_folder metrics_output_path
    adaptive_concurrency adaptive_min_concurrency adaptive_max_concurrency adaptive_target_latency_s
    adaptive_increase_step adaptive_decrease_factor adaptive_failure_threshold prefix_aware_queue prefix_hash_chars
    continual_mode response_persistent_folder verbose safety_threshold
""")
# How an image is scaled and cut into patches for the encoder; of texts, how they are padded.
_SCALING = _words("""
    min_pixels max_pixels total_pixels min_image_pixels max_image_size max_size_in_mb max_input_area
    image_aspect_ratio anyres_max_subimages si_token_len max_num total_max_num min_patches max_patches dynamic hd_num
    do_image_splitting max_soft_tokens mm_spatial_pool_stride mm_spatial_pool_mode mm_spatial_pool_out_channels
    mm_resampler_type mm_resampler_location patch_size downsample_ratio preprocess padding resolution is_qwen3_vl
""")
# Settings for video and sound, which no task of this package has.
_VIDEO = _words("""
    fps video_fps target_fps max_frames_num max_num_frames num_frames nframes max_frame_num max_frames num_frame
    num_frm video_max_frames fixed_num_frames num_video_frames num_segments video_decode_backend video_force_sample
    force_sample use_custom_video_loader miv_token_len add_faster_video faster_token_stride use_audio_in_video
    load_audio_in_video audio_length init_audio init_tts pass_video_url
""")
_THINKING = _words("enable_thinking_kwarg max_think_token_n")
MODEL_ARGUMENTS = SAMPLING | _WEIGHTS | _COMPUTE | _TRANSPORT | _SCALING | _VIDEO | _THINKING
GENERATION_KEYS = SAMPLING | _words("image_aspect_ratio api_key timeout")

# Conversation templates by their name in the model's own library. A path or a text would be another prompt.
_NAMED_TEMPLATES = _words("conv_template conv_mode")
# Accepted with the value that every class has anyway. None is that of a call from Python: typed, it is a text like any
# other, which would be added to the prompt or cut the answer ("None of the above").
_DEFAULTS: Mapping[str, frozenset[str | None]] = {
    "chat_template": frozenset({None}),
    "reasoning_prompt": frozenset({"", None}),
    **dict.fromkeys(
        ("interleave", "interleave_visuals", "truncate_context", "disable_thinking", "think_mode", "plain_prompt"),
        frozenset({"false"}),
    ),
    **dict.fromkeys(("add_generation_prompt", "truncation"), frozenset({"true"})),
    **dict.fromkeys(("n", "num_return_sequences"), frozenset({"1"})),
    "modality": frozenset({"image"}),
    # Whose settings of sampling vLLM starts from: the checkpoint's, or its own.
    "generation_config": frozenset({"auto", "vllm"}),
}
# Mappings whose keys are settings of an engine or of a connection, such as stages of compilation.
_ENGINE_MAPPINGS = _words("""
    limit_mm_per_prompt compilation_config speculative_config quantization_config max_memory rope_scaling
    headers default_headers extra_headers
""")
# Mappings whose keys are judged as model arguments, or as generation keys.
_MAPPINGS = _words("extra_body mm_processor_kwargs chat_template_kwargs model_kwargs processor_kwargs")
_GENERATION_MAPPINGS = _words(
    "generation_config override_generation_config generation_kwargs gen_kwargs sampling_params"
)

# How images become pixels (open_clip's PreprocessCfg): what a file of weights alone does not say.
_PREPROCESSING = _words("size mode mean std interpolation resize_mode fill_color")

# Keys that end an answer; an empty list is harmless.
CUTTING = _words(
    "until stop stops stop_sequences stop_strings stop_token_ids stop_words stopping_criteria eos_token_id"
)
_PLAIN_NAME = re.compile(r"[\w.-]+")


def find_model_violations(option: str, arguments: Any) -> list[str]:
    """Return why a run with these model arguments (text or mapping) cannot be submitted, by argument."""
    return [
        _format_violation(option, name, why)
        for name, why in dict.fromkeys(_find_unlisted(iterate_arguments(arguments), is_generation=False))
    ]


def find_generation_violations(option: str, settings: Any) -> list[str]:
    """Return why a run with these generation keys (text or mapping) cannot be submitted, by key."""
    return [
        _format_violation(option, name, why)
        for name, why in dict.fromkeys(_find_unlisted(iterate_arguments(settings), is_generation=True))
    ]


def _format_violation(option: str, name: str, why: str) -> str:
    # The name may be any text, even a misplaced secret. Values are never shown.
    shown = "(removed)" if any(privacy.find_secrets(name)) else name.encode("unicode_escape").decode("ascii")
    return f"{option}: {shown[:80]}: {why}. {_WAY_OUT}"


def _find_unlisted(
    arguments: Iterable[tuple[str, Any]], *, is_generation: bool, place: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield ``(name, why)`` of each argument that is not known to be harmless."""
    for name, value in arguments:
        value = _parsed(value)
        full = f"{place}{name}"
        if (None if value is None else str(value).lower()) in _DEFAULTS.get(name, ()):
            continue
        if name in CUTTING:
            if value not in (None, [], ""):
                yield full, _CUTS
        elif name == "preprocess" and isinstance(value, Mapping) and not is_generation:
            yield from ((f"{full}.{key}", _UNKNOWN) for key in value if key not in _PREPROCESSING)
        elif name in _GENERATION_MAPPINGS or name in _MAPPINGS:
            yield from _nested(full, value, is_generation=name in _GENERATION_MAPPINGS)
        elif not _is_known(name, value, is_generation=is_generation):
            yield full, _UNKNOWN


def _nested(full: str, value: Any, *, is_generation: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from _find_unlisted(iterate_arguments(value), is_generation=is_generation, place=f"{full}.")
    elif value not in (None, ""):
        yield full, _UNKNOWN


def _is_known(name: str, value: Any, *, is_generation: bool) -> bool:
    if name in _ENGINE_MAPPINGS:
        return not is_generation
    if name in _NAMED_TEMPLATES:
        return not is_generation and isinstance(value, str) and _PLAIN_NAME.fullmatch(value) is not None
    known = GENERATION_KEYS if is_generation else MODEL_ARGUMENTS
    # A known argument must have a plain value: a mapping or nested list could contain anything.
    return (
        name in known
        and not isinstance(value, Mapping)
        and not (isinstance(value, list) and any(isinstance(entry, Mapping | list) for entry in value))
    )


def _parsed(value: Any) -> Any:
    """Parse a text that is a mapping or list in JSON or Python; return other values unchanged."""
    if not isinstance(value, str):
        return value
    text = value.strip().strip("'\"").strip()
    if text[:1] not in ("{", "["):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    # The model's class may still read it as a mapping, so it is treated as one.
    return {"unreadable": text} if text[0] == "{" else text
