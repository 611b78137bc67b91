"""The lessons by name, as their folder holds them; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from compress_core.foundation.one_file_each import names_in
from dashboard.learn.lesson import Lesson

PACKAGE = "dashboard.learn.lessons"


@cache
def lessons() -> Mapping[str, Lesson]:
    """Every lesson under the name of its file, in the order that the files declare."""
    found = {name: _declared(name) for name in names_in(PACKAGE)}
    return MappingProxyType(dict(sorted(found.items(), key=lambda named: (named[1].order, named[0]))))


def _declared(name: str) -> Lesson:
    lesson = getattr(import_module(f"{PACKAGE}.{name}"), "LESSON", None)
    assert isinstance(lesson, Lesson), f"{PACKAGE}.{name} must declare LESSON, a Lesson"
    return lesson
