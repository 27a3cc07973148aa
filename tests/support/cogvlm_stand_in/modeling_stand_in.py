"""The stand-in for CogVLM-chat: random weights behind the methods that its users call."""

import torch
from torch import nn
from torchvision.transforms.functional import pil_to_tensor, resize
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .configuration_stand_in import CogStandInConfig

SIDE = 490


class CogStandInForCausalLM(PreTrainedModel, GenerationMixin):
    """A recurrent network over the tokens of a prompt, which begins with the image."""

    config_class = CogStandInConfig
    _supports_cache_class = False

    def __init__(self, config):
        super().__init__(config)
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, size)
        self.pixels = nn.Linear(3 * 7 * 7, size)
        self.layers = nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, config.vocab_size)
        self.post_init()

    def _init_weights(self, module):
        for weights in module.parameters(recurse=False):
            nn.init.normal_(weights, std=0.3)

    def build_conversation_input_ids(self, tokenizer, *, query, history=None, images=None):
        """Return the inputs for a question about one image, as CogVLM-chat asks it."""
        [image] = images
        text = tokenizer.encode(f"Question: {query} Answer:", add_special_tokens=False)
        ids = torch.tensor([tokenizer.bos_token_id, *text])
        pixels = resize(pil_to_tensor(image.convert("RGB")), [SIDE, SIDE]) / 255
        return {
            "input_ids": ids,
            "token_type_ids": torch.zeros_like(ids),
            "attention_mask": torch.ones_like(ids),
            "images": [pixels],
        }

    def forward(self, input_ids, images=None, **kwargs):
        """Return the scores of each next token."""
        small = torch.stack([nn.functional.adaptive_avg_pool2d(of_row[0], 7).flatten() for of_row in images])
        states = torch.cat([self.pixels(small)[:, None], self.embedding(input_ids)], dim=1)
        return CausalLMOutput(logits=self.head(self.layers(states)[0])[:, 1:])

    def prepare_inputs_for_generation(self, input_ids, images=None, **kwargs):
        """Return the inputs of a step: all tokens, since nothing is kept."""
        return {"input_ids": input_ids, "images": images}

    def _validate_model_kwargs(self, model_kwargs):
        """Accept the inputs beside tokens, as the published code's own methods do."""
