"""What is asked of a network, in words: the tasks to choose from, and what it answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compress_core.loading.asked_answers import TaskName
    from compress_core.subject.subject import Subject


def task_words() -> Mapping[TaskName, str]:
    """Every task by its name, in the visitor's language."""
    return {
        "classification": _("one of several classes"),
        "labels": _("several labels, each by itself"),
        "regression": _("real numbers (regression)"),
        "tokens": _("a class at each place"),
        "next_token": _("the next word"),
        "embedding": _("a vector (embedding)"),
    }


def answer_words(subject: Subject) -> str:
    """What a model answers with, and how many of them."""
    said = {
        "classification": _("{count} classes"),
        "labels": _("{count} labels"),
        "regression": _("{count} real numbers") if len(subject.classes) > 1 else _("a real number"),
        "tokens": _("{count} classes at each place"),
        "embedding": _("a vector of {count} numbers"),
    }
    return said[subject.task.value].format(count=len(subject.classes))
