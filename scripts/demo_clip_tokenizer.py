"""Train the tokenizer of ``demo_clip`` on its captions and on words of the field."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from demo_clip_samples import CaptionQuestion
from open_clip.tokenizer import HFTokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

log = logging.getLogger("train_demo_clip")

CONTEXT_LENGTH = 96  # room for a question and an answer in one text
TRAIN_LENGTH = 28  # room for every caption; the text tower's cost grows with the length
MAX_VOCAB_SIZE = 1024
PAD, START, END = "<pad>", "<start>", "<end>"

# Words of the field that the demo captions may lack, so that other prompts stay short.
GENERAL_WORDS = """
micrograph microscopy image specimen tissue section slide biopsy smear culture cell cells nucleus nuclei cytoplasm
membrane mitochondria ribosome endoplasmic reticulum golgi lysosome vesicle actin tubulin microtubule chromatin
chromosome mitosis prophase metaphase anaphase telophase interphase apoptosis neuron astrocyte fibroblast
lymphocyte neutrophil monocyte eosinophil basophil erythrocyte platelet epithelium stroma tumor carcinoma adenoma
melanoma benign malignant necrosis fibrosis inflammation mucosa muscle adipose cartilage bone kidney liver lung
brain heart colon breast prostate skin cervix human mouse rat yeast bacteria virus plant brightfield darkfield
phase contrast fluorescence confocal electron cryo transmission scanning polarized differential interference stain
hematoxylin eosin giemsa trichrome immunohistochemistry fluorophore marker protein antibody normal abnormal
healthy disease which what shows seen most likely based on the question answer
"""


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Train a lower-case byte-level BPE; its end token has the highest id, by which open_clip's text tower finds it."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_VOCAB_SIZE - 1,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens([END])
    ids = [(token, backend.token_to_id(token)) for token in (START, END)]
    backend.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=START, eos_token=END, pad_token=PAD, model_max_length=CONTEXT_LENGTH
    )


def save_tokenizer(choices: Sequence[dict[str, CaptionQuestion]], out: Path) -> HFTokenizer:
    """Train the tokenizer on the captions, save it in ``out`` and load it as open_clip does.

    Raises:
        ValueError: a caption is longer than TRAIN_LENGTH tokens.
    """
    captions = sorted({text for row in choices for choice in row.values() for text in choice.options})
    tokenizer = train_tokenizer([*captions, *GENERAL_WORDS.split()])
    longest = max(captions, key=lambda text: len(tokenizer(text).input_ids))
    length = len(tokenizer(longest).input_ids)
    log.info("%d distinct captions, %d tokens known, longest caption %d tokens", len(captions), len(tokenizer), length)
    if length > TRAIN_LENGTH:
        raise ValueError(f"Expected captions of at most {TRAIN_LENGTH} tokens, got {length}: {longest!r}")
    tokenizer.save_pretrained(out)
    return HFTokenizer(str(out), context_length=CONTEXT_LENGTH)
