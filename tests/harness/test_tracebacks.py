"""Claims about the traceback of an unexpected error: it is kept in a file, without secrets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from microbench_tasks.harness import running_command, tracebacks

SECRET = "aB3dE5gH7jK9"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(tracebacks.files, "cache_dir", lambda: tmp_path)
    return tmp_path


def fail(args):
    raise RuntimeError(f"broken, with api_key={SECRET}")


def test_an_unexpected_error_of_our_tasks_is_one_message_that_names_the_file_of_its_traceback(cache, monkeypatch):
    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    command = running_command.Command(["--tasks", "microbench_coarse_stain"])
    assert command.run(fail, SimpleNamespace(verbosity="INFO", tasks="microbench_coarse_stain")) == (None, None)
    [kept] = cache.glob("tracebacks/*.txt")
    assert command.problems[0].startswith("A run failed. RuntimeError: broken")
    assert f"Its traceback is in {kept}; --verbosity DEBUG prints it." in command.problems[0]
    text = kept.read_text()
    assert f'File "{Path(__file__)}"' in text and "in fail" in text
    assert SECRET not in text


def test_where_the_file_cannot_be_written_the_error_is_raised(cache, monkeypatch):
    (cache / "tracebacks").write_text("in the way")
    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    command = running_command.Command([])
    with pytest.raises(RuntimeError):
        command.run(fail, SimpleNamespace(verbosity="INFO", tasks="microbench_coarse_stain"))
