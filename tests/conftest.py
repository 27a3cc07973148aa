"""Every test runs offline, with caches of its own."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import shutil
import tempfile
from pathlib import Path

# Before any library reads them: a stray download fails at once, and no cache of the user's is touched.
if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes of a run share the caches of the one that started them.
    _CACHES = os.environ["XDG_CACHE_HOME"]
else:
    _CACHES = tempfile.mkdtemp(prefix="microbench-tests-")
    atexit.register(shutil.rmtree, _CACHES, ignore_errors=True)
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "XDG_CACHE_HOME": _CACHES,
    "HF_HOME": f"{_CACHES}/huggingface",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}
if "PYTEST_XDIST_WORKER" in os.environ:
    # A process of a whole run imports all libraries. wandb comes first: see tests/support/command_server.py.
    importlib.import_module("wandb")
# Code of checkpoints, which is imported from a copy.
collect_ignore_glob = ["support/*_stand_in/*"]
for setting in ("DATASET", "COGNITION", "OWN", "BOXES", "INTERVAL", "SHRINK_IMAGES", "LOGPROBS"):
    os.environ.pop(f"MICROBENCH_{setting}", None)

import pytest  # noqa: E402
from filelock import FileLock  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first: at the end, each would keep one process busy while the others have nothing to do."""
    slow_first = ("tests/end_to_end/", "tests/harness/", "tests/adapters/", "tests/submissions/")

    def rank(item: pytest.Item) -> int:
        return next((number for number, folder in enumerate(slow_first) if folder in item.nodeid), len(slow_first))

    items.sort(key=rank)


@pytest.fixture(scope="module", autouse=True)
def quick_garbage_collection():
    """Scan no imported libraries for garbage: each of the many collections would take as long as a test."""
    # Whole runs within this process undo it.
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    """The demo set as users get it, built once into the test caches."""
    from microbench_tasks.demo import demo_set
    from microbench_tasks.demo.version import DEMO_SEED, DEMO_VERSION
    from microbench_tasks.util import files

    # One test process draws it, and the others wait.
    with FileLock(f"{_CACHES}/demo.lock"):
        return demo_set.build(files.cache_dir() / f"demo-{DEMO_VERSION}-{DEMO_SEED}")


@pytest.fixture
def use_source(monkeypatch):
    """Set the data source for one test."""
    return lambda value: monkeypatch.setenv("MICROBENCH_DATASET", str(value))


@pytest.fixture
def warnings(monkeypatch):
    """What is warned of from here on, said before or not."""
    from microbench_tasks.util import notices

    said: list[str] = []
    monkeypatch.setattr(notices.logger, "warning", said.append)
    notices.warn_once.cache_clear()
    return said
