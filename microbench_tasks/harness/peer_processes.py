"""End all processes of a run when one of them ends, and say which, how, and what to do.

lmms-eval waits for the others at its next barrier, for hours where the collective library does not notice that one of
them is gone. Processes on the same machine are watched through their descriptors, which Linux has.
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

# How long a process whose end nobody can tell may have been gone before the run is ended: it may have finished.
_GRACE_S = 5.0
# The field of /proc/PID/stat with the status of a process that has ended, counted from the last.
_STATUS_FIELD = -1


@dataclass(frozen=True)
class Peer:
    """Another process of the run, on this machine."""

    rank: int
    pid: int


def number() -> int:
    """Return how many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def name(rank: int | str | None = None) -> str:
    """Return what messages call a process of the run; this one by default."""
    return f"process {int(os.environ.get('RANK', '0') if rank is None else rank) + 1} of {number()}"


class Watch:
    """Watch processes, and end this one when one of them has ended badly.

    Args:
        peers: whom to watch.
        end: called with what happened and, if that process has said it itself, an empty text instead of how to go on;
            by default `leave`.
    """

    def __init__(self, peers: Iterable[Peer], end: Callable[[str, str | None], None] | None = None) -> None:
        self._end = end or leave
        self._stop_reading, self._stop_writing = os.pipe()
        self._is_over = threading.Event()
        self._is_said = threading.Lock()
        self._descriptors: dict[int, Peer] = {}
        for peer in peers:
            # One that is gone already, or a system without descriptors of processes.
            with contextlib.suppress(OSError, AttributeError):
                self._descriptors[os.pidfd_open(peer.pid)] = peer
        self._thread = threading.Thread(target=self._run, name="watch of processes", daemon=True)
        self._thread.start()

    def before_sigterm(self, otherwise: Callable[[int, FrameType | None], object]) -> None:
        """Say at SIGTERM, which launchers send to the others, who has ended; call ``otherwise`` if nobody has."""

        def look(number: int, frame: FrameType | None) -> None:
            for peer in [] if self._is_over.is_set() else list(self._descriptors.values()):
                status = _status_of(peer.pid)
                if status != 0 and (status is not None or not Path(f"/proc/{peer.pid}").exists()):
                    self._say_once(peer, status)
            if self._is_said.locked():
                # The other thread is about to end this process.
                time.sleep(_GRACE_S)
            otherwise(number, frame)

        signal.signal(signal.SIGTERM, look)

    def stop(self) -> None:
        """Watch no longer."""
        self._is_over.set()
        with contextlib.suppress(OSError):
            os.write(self._stop_writing, b"x")
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while self._descriptors and not self._is_over.is_set():
            ready, _, _ = select.select([self._stop_reading, *self._descriptors], [], [])
            for descriptor in ready:
                if descriptor != self._stop_reading and not self._is_over.is_set():
                    self._note_end(self._descriptors[descriptor])
                    del self._descriptors[descriptor]
                    os.close(descriptor)

    def _note_end(self, peer: Peer) -> None:
        status = _status_of(peer.pid)
        if status == 0 or (status is None and self._is_over.wait(_GRACE_S)):
            return
        self._say_once(peer, status)

    def _say_once(self, peer: Peer, status: int | None) -> None:
        if self._is_said.acquire(blocking=False):
            self._end(what_happened(peer, status), "" if status is not None and status > 0 else None)


def _status_of(pid: int) -> int | None:
    """Return the status of a process that has ended, negative for a signal; None if its parent has taken it already."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return os.waitstatus_to_exitcode(int(state[_STATUS_FIELD])) if state[0] in "ZX" else None


def what_happened(peer: Peer, status: int | None) -> str:
    """Return how a process ended and what to do, as sentences."""
    who = f"{name(peer.rank).capitalize()} (pid {peer.pid})"
    if status is None:
        return f"{who} ended without a word. Look for its messages above; the run ends."
    if status > 0:
        return f"{who} failed with exit status {status}; its own message says why. The run ends."
    said = f"{who} was ended by signal {-status} ({_signal_name(-status)})."
    if -status != signal.SIGKILL:
        return f"{said} The run ends."
    return (
        f"{said} If nobody did that, the system did, out of memory: dmesg and the scheduler's log tell. "
        "Then type a smaller --batch_size, start fewer processes, or ask for more memory. The run ends."
    )


def _signal_name(value: int) -> str:
    try:
        return signal.Signals(value).name
    except ValueError:
        return "of the system"


def leave(reason: str, how_to_go_on: str | None = None) -> None:
    """Say why, with how to go on, and end this process at once, whatever its other threads wait for."""
    from microbench_tasks.harness import resume_advice

    if how_to_go_on is None:
        how_to_go_on = resume_advice.how_to_go_on(resume_advice.arguments_of_run())
    text = f"Micro-Bench: {reason} {how_to_go_on}".rstrip() + "\n"
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    os._exit(resume_advice.FAILED_STATUS)


def leave_after(error: BaseException) -> None:
    """End this process, if it is one of several, after an exception: the others must not wait for it."""
    from microbench_tasks.harness import resume_advice

    if number() > 1:
        traceback.print_exception(error)
        leave(
            f"{name().capitalize()} failed, and the run ends.",
            resume_advice.after_failure(error, resume_advice.arguments_of_run()),
        )


def peers() -> list[Peer]:
    """Return the other processes on this machine; called in all processes of the run at once."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return []
    everyone: list[tuple[str, int]] = [("", 0)] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, (socket.gethostname(), os.getpid()))
    here, mine = everyone[torch.distributed.get_rank()]
    return [Peer(rank, pid) for rank, (host, pid) in enumerate(everyone) if host == here and pid != mine]
