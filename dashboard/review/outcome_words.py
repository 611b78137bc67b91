"""How an outcome is shown: a word, a sign and a color, so that no color alone says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import streamlit as st

from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.report_words import VERDICTS
from dashboard.text import _


@dataclass(frozen=True)
class _Look:
    """The sign beside the word, the color of a word in a table, and the box of a verdict."""

    icon: str
    color: str
    box: Callable[..., Any]


_LOOKS: Mapping[Outcome, _Look] = MappingProxyType(
    {
        Outcome.PASS: _Look(":material/check_circle:", "green", st.success),
        Outcome.FAIL: _Look(":material/cancel:", "red", st.error),
        Outcome.UNDECIDED: _Look(":material/help:", "orange", st.warning),
        Outcome.NOT_MEASURED: _Look(":material/do_not_disturb_on:", "gray", st.info),
    }
)


def outcome_text(outcome: Outcome) -> str:
    """The word with its sign, as Markdown."""
    look = _LOOKS[outcome]
    return f":{look.color}[{look.icon} **{_(VERDICTS[outcome])}**]"


def verdict_box(outcome: Outcome, because: str, below: str) -> None:
    """The verdict in large words, why it is so, and what stands below it; all as Markdown."""
    look = _LOOKS[outcome]
    look.box(f"### {look.icon} {_(VERDICTS[outcome])}\n\n{because}\n\n{below}")
