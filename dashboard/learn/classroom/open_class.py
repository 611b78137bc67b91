"""The class that this visitor is in: its code comes with the link, and stands in the page's own.

Whoever started it is its teacher, known by the word of the browser, which stands in no link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.learn.classroom.class_register import CODE, register
from dashboard.learn.classroom.classroom import Classroom, Pupil
from dashboard.shared_choice import SharedChoice
from dashboard.visitor import visitor

MOST_LETTERS = 40


def _code_in(text: str) -> str | None:
    """A code as somebody may have typed it; what cannot be one is kept short, and is of no class."""
    return text.strip().lower()[:MOST_LETTERS] or None


CLASS: SharedChoice[str] = SharedChoice("class", "", _code_in)


@dataclass(frozen=True)
class OpenClass:
    """A class as one visitor finds it: as its teacher, or as a pupil of it."""

    code: str
    classroom: Classroom
    is_teacher: bool
    visitor: str

    @property
    def pupil(self) -> Pupil | None:
        """What this visitor said as a pupil; None for the teacher, and for whom the class had no room."""
        return self.classroom.pupils.get(self.visitor)

    def holds_back(self, lesson: str) -> bool:
        """Whether the outcome of a lesson waits for the teacher; for whom the class had no room as well."""
        return lesson not in self.classroom.revealed


def class_code() -> str:
    """The code of the class that this visitor is in or holds; empty where there is none."""
    code = CLASS.chosen()
    return "" if register().found(code) is None else code


def open_class() -> OpenClass | None:
    """The class that this visitor is in or holds, as it stands now; None where there is none."""
    code, me = CLASS.chosen(), visitor()
    classroom = register().found(code) if CODE.fullmatch(code) else None
    return None if classroom is None else OpenClass(code, classroom, register().is_teacher(code, me), me)


def enter() -> None:
    """Be among the pupils of the class to which the link led; raises Refused if it is full."""
    found = open_class()
    if found is not None and not found.is_teacher and found.pupil is None:
        register().change(found.code, lambda classroom: classroom.joined(found.visitor))


def reveal(lesson: str) -> None:
    """Open the outcome of a lesson to the class; its teacher alone does that."""
    code = CLASS.chosen()
    if register().is_teacher(code, visitor()):
        register().change(code, lambda classroom: classroom.revealing(lesson))


def act(change: Callable[[Classroom, str], Classroom]) -> None:
    """Do something in the class as this visitor, if it is still held."""
    me = visitor()
    register().change(CLASS.chosen(), lambda classroom: change(classroom, me))
