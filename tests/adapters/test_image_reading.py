"""Claims about reading images beside the encoder, on threads and in processes."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import psutil
import pytest
import torch

from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.models import execution, image_reading
from microbench_adapters.models.image_reading import LoadedImage, ReadingProcesses
from tests.support import questions, tiny_clip

EXAMPLE = {"pixels": torch.zeros(2, 3, dtype=torch.uint8)}


def load(number):
    """An image whose six pixels follow from its number."""
    pixels = torch.arange(number, number + 6).remainder(256).to(torch.uint8).reshape(2, 3)
    return LoadedImage(number, bytes([number % 256]), {"pixels": pixels})


@pytest.mark.parametrize("count", [1, 31, 32, 33, 500])
def test_processes_return_what_a_call_returns_in_order(count):
    images = ReadingProcesses(load, range(count), EXAMPLE, num_held=1, num_processes=3)
    # Within the loop: the memory of an image is used again later.
    read = [(image.key, image.content, image.inputs["pixels"].clone()) for image in images]
    assert [key for key, _, _ in read] == list(range(count))
    assert all(
        content == load(key).content and torch.equal(pixels, load(key).inputs["pixels"])
        for key, content, pixels in read
    )


def test_images_that_the_caller_holds_are_not_overwritten():
    held, images = [], ReadingProcesses(load, range(2000), EXAMPLE, num_held=100, num_processes=2)
    for image in images:
        held.append(image)
        if len(held) == 100:
            assert all(torch.equal(image.inputs["pixels"], load(image.key).inputs["pixels"]) for image in held)
            held.clear()


def test_known_vectors_pass_through():
    vector = np.arange(4.0)
    images = ReadingProcesses(
        lambda number: LoadedImage(number, b"", {}, vector), range(40), EXAMPLE, num_held=8, num_processes=2
    )
    assert all(image.inputs == {} and (image.vector == vector).all() for image in images)


class UnportableError(Exception):
    """Cannot be copied, as its arguments are not those of its constructor."""

    def __init__(self, row, reason):
        super().__init__(f"row {row}: {reason}")


@pytest.mark.parametrize(
    ("raised", "seen", "message"),
    [
        (lambda number: ValueError(f"row {number} is damaged"), ValueError, "^row 70 is damaged$"),
        (lambda number: UnportableError(number, "damaged"), RuntimeError, "^UnportableError: row 70: damaged$"),
    ],
)
def test_an_error_in_a_process_is_raised_as_it_is_after_the_images_before_it(raised, seen, message):
    def broken(number):
        if number >= 70:
            raise raised(number)
        return load(number)

    read = []
    with pytest.raises(seen, match=message):
        for image in ReadingProcesses(broken, range(200), EXAMPLE, num_held=1, num_processes=2):
            read.append(image.key)
    assert read == list(range(70))


@pytest.fixture
def deadline():
    """Fail a test that waits, as for an answer that no process gives."""

    def late(*_):
        raise TimeoutError("waited for 60 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("deadline")
def test_a_killed_process_ends_the_run_with_the_likely_reason():
    def dying(number):
        if number == 300:
            os.kill(os.getpid(), signal.SIGKILL)
        return load(number)

    with pytest.raises(RuntimeError, match="A process that reads images died.* memory ran out: give"):
        list(ReadingProcesses(dying, range(1000), EXAMPLE, num_held=1, num_processes=2))


def test_ctrl_c_ends_all_processes():
    code = """
        import os, signal, threading, time
        import torch
        from microbench_adapters.models.image_reading import LoadedImage, ReadingProcesses

        # Commands in the background of a script inherit that it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def load(number):
            time.sleep(0.01)
            return LoadedImage(number, b"", {"pixels": torch.zeros(2)})

        images = ReadingProcesses(load, range(100_000), {"pixels": torch.zeros(2)}, num_held=1, num_processes=2)
        images = iter(images)
        next(images)
        # As a terminal does: to the whole group.
        threading.Timer(0.3, os.killpg, (0, signal.SIGINT)).start()
        for image in images:
            pass
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    assert ended.stderr.count("KeyboardInterrupt") == 1


def test_closing_ends_all_processes_without_waiting_for_an_image():
    # Fixtures of other tests have processes, too.
    others = psutil.Process().children()
    images = ReadingProcesses(load, range(100_000), EXAMPLE, num_held=1, num_processes=5)
    readers = [process for process in psutil.Process().children() if process not in others]
    # Each starts further ones, and ends after those.
    readers += [child for process in readers for child in process.children(recursive=True)]
    images.close()
    gone, alive = psutil.wait_procs(readers, timeout=60)
    assert gone and not alive


def test_processes_end_with_the_main_process():
    code = """
        import os, torch
        from microbench_adapters.models.image_reading import LoadedImage, ReadingProcesses

        def load(number):
            return LoadedImage(number, b"", {"pixels": torch.zeros(2)})

        images = ReadingProcesses(load, range(100_000), {"pixels": torch.zeros(2)}, num_held=1, num_processes=5)
        next(iter(images))
        os._exit(3)
    """
    # The readers hold the end of the pipe, too: it is closed when the last of them is gone.
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60)
    assert ended.returncode == 3


def test_all_processes_read():
    images = ReadingProcesses(
        lambda number: LoadedImage((number, os.getpid()), b"", load(number).inputs),
        range(7 * 8 * 3),
        EXAMPLE,
        num_held=1,
        num_processes=7,
    )
    readers = {}
    for image in images:
        number, reader = image.key
        readers.setdefault(reader, set()).add(number // 8 % 7)
    assert len(readers) == 7
    # Every seventh unit of eight images is one process's.
    assert sorted(map(list, readers.values())) == [[number] for number in range(7)]


def test_a_model_answers_the_same_from_processes_and_from_threads(tmp_path, monkeypatch):
    folder, requests = tiny_clip.save(tmp_path / "tiny", seed=3), questions.Captions().requests()
    on_threads = OpenClip(str(folder)).generate_until(requests)
    monkeypatch.setattr(image_reading, "use_processes", lambda num_images, device: True)
    assert OpenClip(str(folder)).generate_until(requests) == on_threads


@pytest.mark.parametrize(
    ("device", "num_images", "cores", "expected"),
    [("cuda", 1000, 8, True), ("cuda", 999, 8, False), ("cuda", 1000, 3, False), ("cpu", 100_000, 64, False)],
)
def test_processes_are_started_where_they_pay(device, num_images, cores, expected, monkeypatch):
    monkeypatch.setattr(image_reading, "num_cores", lambda: cores)
    assert image_reading.use_processes(num_images, torch.device(device)) is expected


def test_processes_of_a_run_on_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    for num_processes, expected in (("1", 16), ("3", 5), ("40", 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", num_processes)
        assert execution.num_cores() == expected
