"""Name the setting that says where the micrographs are, and explain its values in errors."""

from __future__ import annotations

from microbench_tasks.catalog import settings
from microbench_tasks.catalog.pinned_release import HUB_ID
from microbench_tasks.util import files

SETTING = settings.DATASET
DEMO = "demo"
CHOICES = (
    f"{SETTING} may be unset (the release on the Hub, {HUB_ID}), a folder with the release in Arrow or Parquet files "
    f"or saved by save_to_disk, or {DEMO} (the demo set)"
)


def cache_hint() -> str:
    """Return a hint for errors of the file system, whose cause may be the user's cache instead of the data."""
    return f"(The plugin keeps its own files in {files.cache_dir()}; XDG_CACHE_HOME moves that.)"
