"""Do a piece of work in a process of its own, which begins with all that this one has in memory."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from compress_core.foundation.errors import Refused

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG

Apart = Callable[[Callable[[], bytes]], bytes]
"""Runs work somewhere and gives what it returned."""


def can_split() -> bool:
    """Whether this system starts a process as a copy of this one; elsewhere torch does not survive that."""
    return sys.platform == "linux"


def in_own_process(work: Callable[[], bytes]) -> bytes:
    """What the work returns, done in a copy of this process; what it changes in memory is gone with the copy.

    Raises Refused where the copy ends before it has answered.
    """
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there)
        _answer(work, here)
    os.close(here)
    ended = False
    try:
        with os.fdopen(there, "rb") as pipe:
            answer = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ended = True
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if status != 0:
        raise Refused(
            "A process that measured ended early (status {status}): measure again, or fewer items at once.",
            status=status,
        )
    return answer


def _answer(work: Callable[[], bytes], pipe: int) -> NoReturn:
    """In the copy: answer and end, without the clean-up that belongs to the process it was copied from.

    A job is cancelled by killing its process, and that must end its copies too.
    """
    ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    status = 1
    try:
        with os.fdopen(pipe, "wb") as out:
            out.write(work())
        status = 0
    finally:  # whatever was raised, the copy must not go on as if it were the original
        if status:
            traceback.print_exc()
        os._exit(status)


def in_this_process(work: Callable[[], bytes]) -> bytes:
    """The same here, for systems that cannot, and for clocks that are turned by hand."""
    return work()
