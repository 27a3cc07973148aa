"""Claims about runs of several processes, one of which dies, and about memory that runs out."""

import os
import queue
import signal
import subprocess
import sys

import pytest
import torch

from microbench_tasks.harness import exit_status, memory, peer_processes, resume_advice, run_state
from microbench_tasks.harness.patches import distributed
from microbench_tasks.harness.served.circuit_breaker import ServerStoppedError
from tests.support.commands import run_processes

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


@pytest.fixture(autouse=True)
def one_machine(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    run_state.reset_answers()


@pytest.fixture
def other():
    """Another process of the run, which waits for a line and then exits with the status that it names."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(int(input()))"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def watched(process):
    reports = queue.Queue()
    return reports, peer_processes.PeerWatch([peer_processes.Peer(1, process.pid)], lambda *what: reports.put(what))


def exit_with(process, status):
    process.stdin.write(b"%d\n" % status)
    process.stdin.flush()


# --- a process that ends -------------------------------------------------------------


def test_a_killed_process_is_named_with_its_signal_and_what_to_do(other):
    reports, _ = watched(other)
    other.kill()
    reason, hint = reports.get(timeout=30)
    assert reason.startswith(f"Process 2 of 2 (pid {other.pid}) was ended by signal 9 (SIGKILL). If nobody killed it")
    assert "type a smaller --batch_size" in reason
    # By default: the command that goes on.
    assert hint is None


def test_a_killed_process_is_reported_before_the_lost_connection_to_it(other):
    reports, watch = watched(other)
    other.kill()
    # As a parent that has not read the status yet.
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    watch.report_killed_peer()
    reason, _ = reports.get(timeout=30)
    assert "was ended by signal 9 (SIGKILL)" in reason
    # The thread and the caller report it once.
    watch._thread.join(timeout=30)
    assert reports.empty()


def test_a_process_that_failed_has_printed_the_hint_itself(other):
    reports, _ = watched(other)
    exit_with(other, 3)
    reason, hint = reports.get(timeout=30)
    assert "Process 2 of 2" in reason and "failed with exit status 3" in reason
    assert hint == ""


def test_a_process_that_ends_well_ends_no_other(other):
    reports, watch = watched(other)
    exit_with(other, 0)
    watch._thread.join(timeout=30)
    assert not watch._thread.is_alive() and reports.empty()


def test_a_watch_that_was_stopped_says_nothing(other):
    reports, watch = watched(other)
    watch.stop()
    other.kill()
    assert not watch._thread.is_alive() and reports.empty()


def test_sigterm_means_what_it_did_while_all_processes_live(other):
    reports, watch = watched(other)
    before, calls = signal.getsignal(signal.SIGTERM), []
    try:
        watch.handle_sigterm(lambda number, frame: calls.append(number))
        os.kill(os.getpid(), signal.SIGTERM)
        assert calls == [signal.SIGTERM] and reports.empty()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_killed_process_ends_the_run_without_the_help_of_a_launcher(tmp_path):
    """As under ``srun`` or ``mpirun``: nobody but the other process notices."""
    program = tmp_path / "run.py"
    program.write_text(
        "import os, signal, runpy, torch.distributed\n"
        "if os.environ['RANK'] == '1':\n"
        "    torch.distributed.gather_object = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)\n"
        "runpy.run_module('lmms_eval', run_name='__main__', alter_sys=True)\n"
    )
    command = [
        sys.executable,
        program,
        "--model",
        "microbench_random",
        "--tasks",
        "microbench_coarse_stain",
        "--limit",
        "4",
    ]
    first, second = run_processes(2, *command)
    output = first.stdout + first.stderr
    assert first.returncode == exit_status.FAILED_STATUS
    assert "Process 2 of 2" in output and "was ended by signal 9 (SIGKILL)" in output
    assert second.returncode == -signal.SIGKILL


# --- memory --------------------------------------------------------------------------


class Encoder:
    """A model with a batch size."""

    batch_size = 64


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            True,
        ),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("the model says: out of memory"), False),
        (ServerStoppedError("No answer for 38 s; the last failure: HTTP 500: out of memory."), False),
    ],
    ids=["MemoryError", "CUDA", "CPU", "system", "another", "words", "server"],
)
def test_memory_that_ran_out_is_told_from_other_errors(error, is_memory):
    assert memory.is_out_of_memory(error) == is_memory
    assert isinstance(memory.with_batch_size(error, "answering", Encoder()), memory.OutOfMemoryError) == is_memory


def test_the_batch_size_is_named_and_the_command_that_goes_on_has_half_of_it(monkeypatch):
    def evaluate(lm):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(memory.OutOfMemoryError) as caught:
        distributed.explain_memory(evaluate)(Encoder())
    description = resume_advice.describe_failure(caught.value, ["--model", "m", "--use_cache", "answers"])
    assert "with batch_size 64 (OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.)" in description
    assert "Use a smaller batch: --batch_size 32." in description
    assert description.endswith("lmms_eval --model m --use_cache answers --batch_size 32")


@pytest.mark.parametrize(
    ("arguments", "smaller"),
    [
        (["--batch_size", "64"], ["--batch_size", "32"]),
        (["--model_args", "model=m,batch_size=64,device=cpu"], ["--model_args", "model=m,batch_size=32,device=cpu"]),
        (["--batch_size=64"], ["--batch_size=32"]),
        (["--model_args=batch_size=64"], ["--model_args=batch_size=32"]),
        (["--model_args", "max_batch_size=64"], ["--model_args", "max_batch_size=64", "--batch_size", "32"]),
    ],
)
def test_the_smaller_batch_stands_where_the_harness_looks(arguments, smaller):
    assert memory.with_smaller_batches(arguments, memory.OutOfMemoryError("answering", 64, MemoryError())) == smaller


def test_of_a_single_question_no_smaller_batch_is_advised():
    error = memory.OutOfMemoryError("answering", 1, MemoryError())
    assert "--batch_size" not in memory.advice(error)
    assert memory.with_smaller_batches(["--tasks", "t"], error) == ["--tasks", "t"]
