"""Configuration of the stand-in for CogVLM-chat."""

from transformers import PretrainedConfig


class CogStandInConfig(PretrainedConfig):
    """Sizes."""

    model_type = "cogvlm_stand_in"

    def __init__(self, hidden_size=32, vocab_size=320, **kwargs):
        self.hidden_size, self.vocab_size, self.num_hidden_layers = hidden_size, vocab_size, 1
        super().__init__(**kwargs)
