"""Name the files of the release on the Hugging Face Hub, pinned to a commit and to their hashes."""

from __future__ import annotations

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data.dataset_setting import DEMO, SETTING
from microbench_tasks.data.hub import PinnedFiles


def release_files() -> PinnedFiles:
    """Return the release's shards with their hashes."""
    return PinnedFiles(
        repo_id=pinned_release.HUB_ID,
        revision=pinned_release.HUB_REVISION,
        hashes=dict(zip(pinned_release.RELEASE_FILES, pinned_release.RELEASE_SHARDS, strict=True)),
        size=pinned_release.RELEASE_SIZE,
        instead=(f"To use a copy of the data instead, set {SETTING} to its folder, or to {DEMO} for the demo set."),
    )
