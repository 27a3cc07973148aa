"""Share a small submission among the tests of this room."""

import pytest

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.runs import found_runs
from microbench_tasks.submissions import building
from microbench_tasks.util import files
from tests.support import tiny_runs
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

TASKS = (*COARSE, BOXES, COGNITION)


@pytest.fixture(scope="module")
def tiny_release(tmp_path_factory):
    """Small data that pass for the release: their hashes and numbers of questions are taken for its own."""
    folder = tiny_runs.data(tmp_path_factory.mktemp("tiny") / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(folder))
        patch.setattr(
            pinned_release, "RELEASE_SHARDS", tuple(files.content_hashes([folder / "test-00000-of-00001.parquet"]))
        )
        patch.setattr(
            catalog,
            "RELEASE_COUNTS",
            dict.fromkeys(COARSE[:-1], tiny_runs.NUM_IMAGES) | {COARSE[-1]: tiny_runs.NUM_STAINS},
        )
        yield folder


@pytest.fixture(scope="module")
def original(tiny_release):
    """A submission on the small data that pass for the release."""
    run = tiny_runs.write(tiny_release.parent / "run", {task: tiny_runs.samples(task) for task in TASKS})
    description = building.Description(
        "My *CLIP*", "https://huggingface.co/me/my-clip", "https://huggingface.co/datasets/me/submissions"
    )
    return building.submit(found_runs.find_run([run]), description, tiny_release.parent / "submission").folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of the submission, to be changed."""
    return files.write_dir(
        tmp_path / "copy",
        {path.relative_to(original).as_posix(): path.read_bytes() for path in original.rglob("*") if path.is_file()},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on small data that are not the release."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(tiny_runs.data(folder / "data")))
        return tiny_runs.write(folder / "run", {task: tiny_runs.samples(task) for task in TASKS})


@pytest.fixture(scope="module")
def written(run):
    """The submission of a run on small data that are not the release, as `submit` returns it."""
    return building.submit(
        found_runs.find_run([run]),
        building.Description("My CLIP", "https://huggingface.co/me/my-clip"),
        run.parent / "submission",
    )
