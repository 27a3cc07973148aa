"""Fixtures that several files about models share."""

from __future__ import annotations

import shutil

import pytest
import transformers

from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from tests.support import tiny_paligemma


@pytest.fixture
def quiet_transformers():
    """Silence transformers' warning about prompts without an image token, which its processor then adds."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield
    transformers.logging.set_verbosity(before)


@pytest.fixture(scope="module")
def paligemma_folders(tmp_path_factory):
    """Return the folder of a tiny checkpoint of each variant."""
    parent = tmp_path_factory.mktemp("paligemma")
    return {variant: tiny_paligemma.save(parent / variant, variant) for variant in tiny_paligemma.VARIANTS}


@pytest.fixture(scope="module", params=tiny_paligemma.VARIANTS)
def paligemma_variant(request):
    """Return the name of each variant."""
    return request.param


@pytest.fixture(scope="module")
def paligemma_model(paligemma_folders, paligemma_variant):
    """Return a loaded model of each variant."""
    return PaliGemma(model=str(paligemma_folders[paligemma_variant]), device="cpu")


@pytest.fixture
def paligemma_folder(paligemma_folders, tmp_path):
    """Return a copy of a checkpoint that a test may spoil."""
    return shutil.copytree(paligemma_folders["paligemma"], tmp_path / "tiny")
