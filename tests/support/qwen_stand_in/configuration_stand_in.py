"""Configuration of the stand-in for Qwen-VL-Chat."""

from transformers import PretrainedConfig


class StandInConfig(PretrainedConfig):
    """Sizes, and the flags of precision that Qwen-VL-Chat has."""

    model_type = "qwen_stand_in"

    def __init__(self, hidden_size=32, vocab_size=264, fp32=False, bf16=False, fp16=False, **kwargs):
        self.hidden_size, self.vocab_size, self.num_hidden_layers = hidden_size, vocab_size, 1
        self.fp32, self.bf16, self.fp16 = fp32, bf16, fp16
        super().__init__(**kwargs)
