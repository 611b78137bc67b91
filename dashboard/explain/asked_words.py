"""What is explained, in words: a class, a label, one of several real numbers, or a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.measure.behavior.predictions import NO_CLASS
from compress_core.measure.explain.asked_answer import AskedKind, asked_kind
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.measure.explain.explanation import Explanation
    from compress_core.subject.subject import Subject


def name_of_class(subject: Subject, number: int) -> str:
    """What a class or a label is called; -1 is none."""
    if number == NO_CLASS:
        return _("nothing")
    return subject.classes[number] if number < len(subject.classes) else str(number)


def value_name(subject: Subject, value: int) -> str:
    """What one of the real numbers of an answer is called."""
    if len(subject.classes) < 2:
        return _("the answer")
    name = subject.classes[value]
    return _("value {number}").format(number=name) if name.isdecimal() else name


def short_target(subject: Subject, found: Explanation, place: int = 0) -> str:
    """What a map of an item speaks for, in a word or two; place: where it stands among the explained ones."""
    if found.asked is AskedKind.VALUE:
        return value_name(subject, found.value)
    if found.asked is AskedKind.VECTOR:
        return _("the original's vector")
    return name_of_class(subject, max(0, int(found.items["class_before"].iloc[place])))


def what_is_asked(subject: Subject, found: Explanation) -> str:
    """The same with what it is; for somebody who reads it for the first time, as Markdown."""
    said = {
        AskedKind.CLASS: _("{target}, the class that the original predicts"),
        AskedKind.LABEL: _("{target}, the label that the original is surest of"),
        AskedKind.VALUE: _("a larger answer") if len(subject.classes) < 2 else _("a larger {target}"),
        AskedKind.VECTOR: _(
            "the vector that the original makes of this item (the cosine with it, the same vector for both "
            "models)"
        ),
    }
    return said[found.asked].format(target=f"**{literal(short_target(subject, found))}**")


def what_all_are_asked(subject: Subject, value: int) -> str:
    """What the maps of many items speak for."""
    said = {
        AskedKind.CLASS: _("the class that the original predicts"),
        AskedKind.LABEL: _("the label that the original is surest of"),
        AskedKind.VALUE: value_name(subject, value),
        AskedKind.VECTOR: _("the cosine with the original's own vector of the item"),
    }
    return said[asked_kind(subject.answers)]
