"""The stand-in for Qwen-VL-Chat: random weights behind the methods that its users call."""

import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import pil_to_tensor, resize
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .configuration_stand_in import StandInConfig

IMAGE, IMAGE_END, END = 256, 257, 259


class StandInForCausalLM(PreTrainedModel, GenerationMixin):
    """A recurrent network over the tokens, with the pixels in the place of the image's path."""

    config_class = StandInConfig
    _supports_cache_class = False

    def __init__(self, config):
        super().__init__(config)
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, size)
        self.pixels = nn.Linear(3 * 8 * 8, size)
        self.layers = nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, config.vocab_size)
        self.post_init()

    def _init_weights(self, module):
        for weights in module.parameters(recurse=False):
            nn.init.normal_(weights, std=0.3)

    def forward(self, input_ids, attention_mask=None, **kwargs):
        """Return the scores of each next token."""
        states = self.embedding(input_ids).clone()
        for row, ids in enumerate(input_ids.tolist()):
            if IMAGE in ids:
                start, stop = ids.index(IMAGE) + 1, ids.index(IMAGE_END)
                with Image.open(bytes(ids[start:stop]).decode()) as image:
                    small = resize(pil_to_tensor(image.convert("RGB")), [8, 8]).flatten() / 255
                # A path says nothing.
                states[row, start:stop] = 0
                states[row, start] = self.pixels(small.to(self.head.weight))
        return CausalLMOutput(logits=self.head(self.layers(_without_zeros(states))[0]))

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        """Return the inputs of a step: all tokens, since nothing is kept."""
        return {"input_ids": input_ids}

    def chat(self, tokenizer, query, history, system="You are a helpful assistant.", generation_config=None, **kwargs):
        """Return the answer to a query, and the history."""
        text = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{query}<|im_end|>\n<|im_start|>assistant\n"
        ids = torch.tensor([tokenizer(text)["input_ids"]], device=self.device)
        written = self.generate(ids, generation_config=generation_config or self.generation_config, **kwargs)
        answer = tokenizer.decode([number for number in written[0, ids.shape[1] :].tolist() if number != END])
        return answer, [(query, answer)]


def _without_zeros(states):
    """Return states without those of a path, of which only the first says something."""
    [kept] = states.abs().sum(dim=-1)
    return states[:, kept > 0]
