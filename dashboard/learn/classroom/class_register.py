"""The classes that a server holds, in its memory alone: found by their code, changed one change at a time.

A class ends when its teacher ends it, when nobody did anything in it for IDLE_S, or with the server.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from compress_core.foundation.errors import Refused
from dashboard.learn.classroom.classroom import Classroom

MOST_CLASSES = 50
IDLE_HOURS = 3
IDLE_S = IDLE_HOURS * 3600.0
_SYLLABLES = 5
_CONSONANTS, _VOWELS = "bdglmnrtvz", "aeio"
CODE = re.compile(rf"(?:[{_CONSONANTS}][{_VOWELS}]){{{_SYLLABLES}}}")


@dataclass(frozen=True)
class HeldClass:
    """A class, the word of its teacher's browser, and when somebody did something in it last, in seconds."""

    classroom: Classroom
    teacher: str
    touched: float


class ClassRegister:
    """Every class under its code, behind one lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, HeldClass] = {}

    def start(self, teacher: str) -> str:
        """The code of a new class, or of the one this teacher holds; raises Refused where many are held."""
        with self._lock:
            self._forget_idle()
            mine = self._code_of(teacher)
            if mine:
                return mine
            if len(self._held) >= MOST_CLASSES:
                raise Refused(
                    "This server holds {most} classes, and no more at a time: wait until one has ended.",
                    most=MOST_CLASSES,
                )
            code = new_code()
            self._held[code] = HeldClass(Classroom(), teacher, self._clock())
            return code

    def found(self, code: str) -> Classroom | None:
        """A class as it stands; None where none of this code is held, or no longer."""
        with self._lock:
            self._forget_idle()
            held = self._held.get(code)
            return None if held is None else held.classroom

    def change(self, code: str, act: Callable[[Classroom], Classroom]) -> Classroom | None:
        """Carry out one act in a class, and give what came of it; None where it is not held.

        What the act raises, this raises, and nothing has changed.
        """
        with self._lock:
            self._forget_idle()
            held = self._held.get(code)
            if held is None:
                return None
            changed = act(held.classroom)
            if changed is not held.classroom:  # a page that only looks keeps no class from ending
                self._held[code] = replace(held, classroom=changed, touched=self._clock())
            return changed

    def is_teacher(self, code: str, visitor: str) -> bool:
        """Whether it was this visitor who started a class."""
        with self._lock:
            held = self._held.get(code)
            return held is not None and _same(held.teacher, visitor)

    def code_of(self, teacher: str) -> str:
        """The code of the class that a visitor holds; empty where it is none."""
        with self._lock:
            self._forget_idle()
            return self._code_of(teacher)

    def end(self, code: str, visitor: str) -> None:
        """End a class, if it is its teacher who says so: nothing of it is left."""
        with self._lock:
            held = self._held.get(code)
            if held is not None and _same(held.teacher, visitor):
                del self._held[code]

    def forget_idle(self) -> None:
        """End classes in which nobody did anything for long."""
        with self._lock:
            self._forget_idle()

    def _forget_idle(self) -> None:
        now = self._clock()
        for code in [code for code, held in self._held.items() if now - held.touched > IDLE_S]:
            del self._held[code]

    def _code_of(self, teacher: str) -> str:
        return next((code for code, held in self._held.items() if _same(held.teacher, teacher)), "")


def new_code() -> str:
    """A random word that can be read out to a room; one of a hundred million."""
    return "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


@cache
def register() -> ClassRegister:
    """The classes of this server."""
    return ClassRegister()
