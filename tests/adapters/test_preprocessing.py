"""Claims about preprocessing in two steps: the encoder gets exactly what the library's own preprocessing gives."""

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Lambda, Normalize, PILToTensor, Resize, ToTensor

from microbench_adapters.libraries import split_preprocessing, transformers_preprocessing
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.libraries.transformers_adapter import TransformersClip
from tests.support import tiny_clip, tiny_models

MEAN_STD = ([0.48, 0.45, 0.41], [0.27, 0.26, 0.28])


def photographs():
    """Images of several sizes and forms, of all pixel values."""
    rng = np.random.default_rng(5)
    sizes = [(264, 264), (31, 77), (640, 200), (16, 16), (1, 9)]
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in sizes]


@pytest.mark.parametrize(
    ("model_class", "save"),
    [
        (OpenClip, tiny_clip.save),
        (TransformersClip, tiny_models.transformers_clip),
        (TransformersClip, tiny_models.transformers_siglip),
        (TransformersClip, tiny_models.transformers_align),
    ],
)
def test_the_steps_together_give_the_librarys_values_to_the_last_bit(model_class, save, tmp_path):
    model = model_class(str(save(tmp_path / "model")), device="cpu")
    assert model.loaded.steps is not None
    for image in photographs():
        resized = model.resize(image)
        assert resized[model.pixel_input].dtype == torch.uint8
        batch = {name: torch.stack([values] * 3) for name, values in resized.items()}
        (whole,) = model.preprocess(image).values()
        assert all(torch.equal(values, whole) for values in model.normalize(batch)[model.pixel_input])


def test_a_table_of_a_batch_is_looked_up_by_channel():
    steps = split_preprocessing.split_transforms(Compose([Resize((2, 2)), ToTensor(), Normalize(*MEAN_STD)]))
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    expected = [
        [(value / 255 - mean) / std for value in (0, 51, 102, 255)] for mean, std in zip(*MEAN_STD, strict=True)
    ]
    assert steps.normalize(pixels).flatten(2)[0].tolist() == [pytest.approx(row, rel=1e-6) for row in expected]


@pytest.mark.parametrize(
    "transforms",
    [
        # No normalization at the end; values that depend on their place; images of several sizes.
        [Resize((8, 8)), ToTensor()],
        [Resize((8, 8)), ToTensor(), Lambda(lambda values: values * torch.arange(8)), Normalize(*MEAN_STD)],
        [Resize(8), ToTensor(), Normalize(*MEAN_STD)],
    ],
)
def test_other_preprocessing_is_left_whole(transforms):
    assert split_preprocessing.split_transforms(Compose(transforms)) is None


def test_steps_that_give_other_values_are_refused():
    whole = Compose([Resize(8), CenterCrop(8), ToTensor(), Normalize(*MEAN_STD)])
    resize = Compose([CenterCrop(8), PILToTensor()])
    assert split_preprocessing.split(whole, resize, Compose([ToTensor(), Normalize(*MEAN_STD)])) is None


def test_a_processor_that_makes_more_than_pixels_is_left_whole():
    """SigLIP 2's makes patches, a mask and shapes."""
    assert transformers_preprocessing.split(transformers.Siglip2ImageProcessorPil()) is None
