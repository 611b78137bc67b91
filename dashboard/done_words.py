"""What was done to a model in the visitor's words, from the one line that the core makes of it."""

from __future__ import annotations

import re

from compress_core.decide.operation_words import AND, ARROW, BAR
from compress_core.techniques.contract.technique import techniques
from compress_core.training.method import training_methods
from dashboard.text import label

_KNOB = re.compile(r"(\w+)=(\[[^\]]*\]|\S+)")


def done_in_words(what: str) -> str:
    """`magnitude sparsity=0.9 fc1` as pages call it: Magnitude (Sparsity 0.9) fc1.

    What this release does not know stays as it is.
    """
    return ARROW.join(AND.join(map(_in_words, done.split(AND))) for done in what.split(ARROW))


def _in_words(done: str) -> str:
    name, _, rest = done.partition(" ")
    if name not in techniques() and name not in training_methods():
        return done
    knobs = ", ".join(f"{label(knob)} {_value(value)}" for knob, value in _KNOB.findall(rest))
    where = _KNOB.sub("", rest).strip()
    return " ".join(filter(None, (label(name), f"({knobs})" if knobs else "", where)))


def _value(text: str) -> str:
    """A number as it is; a choice, or those of several layers between bars, in the visitor's words."""
    return BAR.join(label(word) if word.replace("_", "").isalpha() else word for word in text.split(BAR))
