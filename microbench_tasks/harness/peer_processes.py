"""End all processes of a run when one of them ends early, and explain which one, how, and what to do.

lmms-eval waits for the other processes at its next barrier. It waits for hours if the collective library does not
notice that one of them is gone. Processes on the same machine are watched by process descriptors (Linux).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from microbench_tasks.harness import exit_status

# If the exit status of a process is unknown, it may have finished normally: wait this long before ending the run.
_GRACE_S = 5.0
# Index of the exit status in /proc/PID/stat of an ended process.
_STATUS_FIELD = -1

# Called with the reason, and with the hint how to resume (None: the default one).
EndRun = Callable[[str, str | None], None]


@dataclass(frozen=True)
class Peer:
    """Identify another process of the run, on this machine."""

    rank: int
    pid: int


def num_processes() -> int:
    """Return the number of processes of the run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_name(rank: int | str | None = None) -> str:
    """Return the name of a process for messages, such as ``process 2 of 8``; of this process by default."""
    rank = os.environ.get("RANK", "0") if rank is None else rank
    return f"process {int(rank) + 1} of {num_processes()}"


class PeerWatch:
    """Watch processes, and end this one when one of them has failed.

    Args:
        peers: the processes to watch.
        end_run: ends this process. Its second argument is empty if the failed process has printed the hint itself.
    """

    def __init__(self, peers: Iterable[Peer], end_run: EndRun | None = None) -> None:
        self._end_run = end_run or exit_now
        self._wake_read, self._wake_write = os.pipe()
        self._is_stopped = threading.Event()
        self._is_reported = threading.Lock()
        self._descriptors: dict[int, Peer] = {}
        for peer in peers:
            # The process is already gone, or the system has no process descriptors.
            with contextlib.suppress(OSError, AttributeError):
                self._descriptors[os.pidfd_open(peer.pid)] = peer
        self._thread = threading.Thread(target=self._wait_for_ends, name="peer watch", daemon=True)
        self._thread.start()

    def handle_sigterm(self, otherwise: Callable[[int, FrameType | None], object]) -> None:
        """Report at SIGTERM, which launchers send to the other processes, which peer has failed.

        Args:
            otherwise: the handler to call if no peer has failed.
        """

        def handle(number: int, frame: FrameType | None) -> None:
            for peer in [] if self._is_stopped.is_set() else list(self._descriptors.values()):
                status = _exit_status(peer.pid)
                if status != 0 and (status is not None or not Path(f"/proc/{peer.pid}").exists()):
                    self._report_once(peer, status)
            if self._is_reported.locked():
                # The other thread is about to end this process.
                time.sleep(_GRACE_S)
            otherwise(number, frame)

        signal.signal(signal.SIGTERM, handle)

    def report_killed_peer(self) -> None:
        """Report a peer that was killed, if there is one: it is the cause of a lost connection in this process."""
        for peer in list(self._descriptors.values()):
            status = _exit_status(peer.pid)
            if status is not None and status < 0:
                self._report_once(peer, status)

    def stop(self) -> None:
        """Stop watching."""
        self._is_stopped.set()
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")
        self._thread.join(timeout=1)

    def _wait_for_ends(self) -> None:
        while self._descriptors and not self._is_stopped.is_set():
            ready, _, _ = select.select([self._wake_read, *self._descriptors], [], [])
            for descriptor in ready:
                if descriptor != self._wake_read and not self._is_stopped.is_set():
                    self._handle_end(self._descriptors[descriptor])
                    del self._descriptors[descriptor]
                    os.close(descriptor)

    def _handle_end(self, peer: Peer) -> None:
        status = _exit_status(peer.pid)
        if status == 0 or (status is None and self._is_stopped.wait(_GRACE_S)):
            return
        self._report_once(peer, status)

    def _report_once(self, peer: Peer, status: int | None) -> None:
        if self._is_reported.acquire(blocking=False):
            self._end_run(describe_end(peer, status), "" if status is not None and status > 0 else None)


def _exit_status(pid: int) -> int | None:
    """Return the status of an ended process, negative for a signal; None if its parent has already read it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return os.waitstatus_to_exitcode(int(state[_STATUS_FIELD])) if state[0] in "ZX" else None


def describe_end(peer: Peer, status: int | None) -> str:
    """Return how a process ended and what to do, as sentences.

    Args:
        peer: the ended process.
        status: its exit status, negative for a signal; None if unknown.
    """
    name = f"{process_name(peer.rank).capitalize()} (pid {peer.pid})"
    if status is None:
        return f"{name} ended, and its exit status is unknown. Look for its messages above. The run ends."
    if status > 0:
        return f"{name} failed with exit status {status}; its own message says why. The run ends."
    killed = f"{name} was ended by signal {-status} ({_signal_name(-status)})."
    if -status != signal.SIGKILL:
        return f"{killed} The run ends."
    return (
        f"{killed} If nobody killed it, memory probably ran out: check dmesg and the scheduler's log. "
        "Then type a smaller --batch_size, start fewer processes, or ask for more memory. The run ends."
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def exit_now(reason: str, resume_hint: str | None = None) -> None:
    """Print the reason and how to resume, and end this process at once, even if other threads are waiting."""
    from microbench_tasks.harness import resume_advice

    if resume_hint is None:
        resume_hint = resume_advice.resume_hint(resume_advice.command_arguments())
    # On a line of its own: the bar of this process may not be at its end.
    text = f"\nMicro-Bench: {reason} {resume_hint}".rstrip() + "\n"
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    os._exit(exit_status.FAILED_STATUS)


def exit_after_error(error: BaseException) -> None:
    """End this process after an exception if it is one of several, so that the others do not wait for it."""
    from microbench_tasks.harness import resume_advice

    if num_processes() > 1:
        traceback.print_exception(error)
        description = resume_advice.describe_failure(error, resume_advice.command_arguments())
        exit_now(f"{process_name().capitalize()} failed, and the run ends.", description)


def find_peers() -> list[Peer]:
    """Return the other processes on this machine; all processes of the run must call it at the same time."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return []
    processes: list[tuple[str, int]] = [("", 0)] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(processes, (socket.gethostname(), os.getpid()))
    this_host, this_pid = processes[torch.distributed.get_rank()]
    return [Peer(rank, pid) for rank, (host, pid) in enumerate(processes) if host == this_host and pid != this_pid]
