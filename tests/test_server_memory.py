"""Where the threads of a server take their memory from."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MANY = """
import ctypes, sys, threading
from dashboard import caretaker

if sys.argv[1] == "together":
    caretaker.keep_memory_together()
all_hold, held = threading.Barrier(9), []

def hold():
    held.append(bytearray(50_000))
    all_hold.wait()
    all_hold.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
all_hold.wait()
ctypes.CDLL(None).malloc_stats()
all_hold.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others do not scatter what threads take")
@pytest.mark.parametrize(("how", "is_together"), [("together", True), ("as usual", False)])
def test_all_threads_take_memory_from_two_places(how: str, is_together: bool) -> None:
    command = [sys.executable, "-c", MANY, how]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert (said.count("Arena ") <= 2) is is_together
