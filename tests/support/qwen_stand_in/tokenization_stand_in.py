"""Tokenizer of the stand-in for Qwen-VL-Chat: bytes, and the marks of its prompts."""

import os

MARKS = ["<img>", "</img>", "<|im_start|>", "<|im_end|>", "<ref>", "</ref>", "<box>", "</box>"]

if not os.path.exists("SimSun.ttf"):
    raise RuntimeError("the checkpoint's code would fetch a font now")


class StandInTokenizer:
    """What a checkpoint's tokenizer must offer."""

    @classmethod
    def register_for_auto_class(cls, auto_class="AutoTokenizer"):
        """Do nothing: nothing is saved."""

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        """Return a tokenizer, which has no files."""
        return cls()

    def __call__(self, text):
        """Return the tokens of a text."""
        ids = []
        while text:
            mark = next((mark for mark in MARKS if text.startswith(mark)), None)
            ids += list(text[0].encode()) if mark is None else [256 + MARKS.index(mark)]
            text = text[len(mark or text[0]) :]
        return {"input_ids": ids}

    def decode(self, ids):
        """Return the text of tokens."""
        parts = [MARKS[number - 256].encode() if number >= 256 else bytes([number]) for number in ids]
        return b"".join(parts).decode(errors="replace")

    def from_list_format(self, content):
        """Return a query of numbered images and texts, as Qwen-VL-Chat writes it."""
        number, text = 0, ""
        for part in content:
            if "image" in part:
                number += 1
                text += f"Picture {number}: <img>{part['image']}</img>\n"
            else:
                text += part["text"]
        return text
