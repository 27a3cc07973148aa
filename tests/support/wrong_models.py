"""Cases of models whose weights fit and that distinguish nothing."""

from __future__ import annotations

import json

import open_clip
import torch
from safetensors.torch import save_file

from tests.support import tiny_clip, tiny_models
from tests.support.wrong_checkpoints import (
    CaseTable,
    edit,
    spoil,
    weights_of,
    zeros,
)

CASES = CaseTable()
case = CASES.case


# --- weights that fit and tell nothing apart ---


@case("open_clip", "multiplies similarities by 2.69e[+]43; trained models multiply by 0.01 to 10000. .*logit_scale")
def _scale_without_its_logarithm(folder):
    spoil(folder, logit_scale=torch.tensor(100.0))


@case("transformers_clip", "multiplies similarities by 0; trained models multiply by")
def _scale_that_vanishes(folder):
    spoil(folder, logit_scale=torch.tensor(-2000.0))


@case("open_clip", r"adds 1e\+30 to similarities; trained models add at most a few tens")
def _bias_that_drowns_similarities(folder):
    config = tiny_clip.architecture() | {"init_logit_bias": 1e30}
    save_file(open_clip.CLIP(**config).state_dict(), weights_of(folder))
    edit(folder / "open_clip_config.json", model_cfg=config)


@case("open_clip", "gives images a vector of zeros. Its image encoder or projection is constant")
def _projection_of_zeros(folder):
    spoil(folder, visual__proj=zeros)


@case("open_clip", "does not distinguish images")
def _blind(folder):
    spoil(folder, visual__conv1__weight=zeros)


@case("open_clip", "does not distinguish texts")
def _all_words_alike(folder):
    spoil(folder, token_embedding__weight=lambda values: values[:1].expand(len(values), -1).contiguous())


@case("open_clip", "pools at the token with the highest number, which differs between texts")
def _tokenizer_whose_end_is_not_the_highest_number(folder):
    config = tiny_clip.architecture()
    config["text_cfg"] |= {"vocab_size": 400, "hf_tokenizer_name": str(folder)}
    module = open_clip.CLIP(**config)
    save_file(module.state_dict(), weights_of(folder))
    edit(folder / "open_clip_config.json", model_cfg=config)
    tiny_models.word_tokenizer(77).save_pretrained(folder)


@case("open_clip", r"open_clip_config.json: std is \[0.5, 0.5, 0\]; expected a list of three numbers, of std above 0")
def _deviation_of_zero(folder):
    edit(folder / "open_clip_config.json", preprocess_cfg__std=[0.5, 0.5, 0])


@case("transformers_clip", "pools at a token that 'light' does not have once tokenized.*set eos_token_id")
def _end_token_that_no_text_has(folder):
    edit(folder / "config.json", text_config__eos_token_id=399)


@case("transformers_clip", "its config.json gives eos_token_id as None. Expected the number of the token")
def _no_end_token(folder):
    edit(folder / "config.json", text_config__eos_token_id=None)


@case("transformers_clip", "does not distinguish texts: different texts get the same vector")
def _end_token_that_is_the_start(folder):
    single = json.loads((folder / "tokenizer.json").read_text())["post_processor"]["single"]
    edit(folder / "tokenizer.json", post_processor__single=single[::-1])


@case("transformers_clip", "pools at the token with the highest number, which differs between texts")
def _end_token_of_an_old_configuration(folder):
    edit(folder / "config.json", text_config__eos_token_id=2)


@case("transformers_clip", "pools at a token that 'light' does not have once tokenized")
def _tokenizer_that_adds_no_end(folder):
    edit(folder / "tokenizer.json", post_processor=None)


@case("transformers_clip", "the vector of a text depends on the texts beside it, through padding.*Set padding=context")
def _padding_on_the_left(folder):
    edit(folder / "tokenizer_config.json", padding_side="left")


@case("transformers_clip", "its tokenizer has no vocabulary")
def _vocabulary_of_another_language(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    foreign = {(word if word.startswith("[") else f"ж{number}"): number for word, number in vocabulary.items()}
    content["model"]["vocab"] = foreign
    (folder / "tokenizer.json").write_text(json.dumps(content))


@case("transformers_clip", "does not distinguish images")
def _patches_of_zeros(folder):
    spoil(folder, vision_model__embeddings__patch_embedding__weight=zeros)


@case("transformers_clip", "its preprocessing turns different images into the same values")
def _pixels_times_zero(folder):
    edit(folder / "processor_config.json", image_processor__rescale_factor=0.0)


@case("transformers_clip", "its preprocessing returns values that are not finite")
def _deviation_of_zero_in_the_processor(folder):
    edit(folder / "processor_config.json", image_processor__image_std=[0.0, 0.5, 0.5])


@case("paligemma", "does not distinguish images: different images give the same probabilities")
def _projector_of_zeros(folder):
    spoil(folder, multi_modal_projector__linear__weight=zeros)


@case("paligemma", "its preprocessing turns different images into the same values")
def _pixels_times_zero_in_paligemma(folder):
    edit(folder / "processor_config.json", image_processor__rescale_factor=0.0)
