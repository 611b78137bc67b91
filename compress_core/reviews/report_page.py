"""A review as one HTML file that needs nothing else: it opens from a disk, prints, in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from compress_core.foundation.number import Number, about
from compress_core.foundation.printable import printable
from compress_core.measure.behavior.evaluate import REPORTING
from compress_core.reviews.findings import Review
from compress_core.reviews.gate_verdict import JudgedGate
from compress_core.reviews.limit_range import amount
from compress_core.reviews.report_figures import (
    interval_drawing,
    interval_in_report,
    shift_drawings,
    value_in_report,
)
from compress_core.reviews.report_language import LANGUAGES, Speak, speak
from compress_core.reviews.report_words import VERDICTS, WORDS

MOST_BYTES = 1_000_000
MOST_FLIPS, MOST_CELLS, MOST_CLASSES = 60, 20, 200
TEMPLATE = "report.html"
_NO_TEXTS: Mapping[int, str] = MappingProxyType({})
_AS_HERE: Mapping[int, int] = MappingProxyType({})


def report_html(
    review: Review,
    pictures: Mapping[int, str],
    lang: str = "en",
    texts: Mapping[int, str] = _NO_TEXTS,
    numbers: Mapping[int, int] = _AS_HERE,
) -> str:
    """The page; lang: the language that opens first. pictures: of items by their place, as data addresses.

    texts: of items by their place, where they are words. numbers: those in the file that the items came from,
    where these are others.

    Every name is escaped, wherever it came from; there is no script and no address of another place. Raises
    Refused for a language that is not there.
    """
    speak(lang)
    codes = [lang, *(code for code in LANGUAGES if code != lang)]
    shown = {item: Markup(address) for item, address in pictures.items()}  # noqa: S704 - made of bytes, base64
    return _template().render(
        review=review,
        languages=[(code, LANGUAGES[code], _shown_by(speak(code))) for code in codes],
        pictures=shown,
        texts=texts,
        numbers=numbers,
        shifts=[Markup(drawing) for drawing in _shifts(review)],  # noqa: S704 - numbers alone
        words=WORDS,
        counted_split=REPORTING,
        verdicts=VERDICTS,
        most={"flips": MOST_FLIPS, "cells": MOST_CELLS, "classes": MOST_CLASSES},
    )


def _shifts(review: Review) -> list[str]:
    return shift_drawings((review.alike_flips, review.alike_sample))


@lru_cache(maxsize=1)
def _template() -> Template:
    own = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    own.filters |= {
        "name": lambda text: printable(str(text)),
        "lines": lambda text: "\n".join(printable(line) for line in text.split("\n")),
        "number": _value,
        "interval": _interval,
        "how": _how,
        "drawing": _drawing,
        "moment": _moment,
        "about": about,
    }
    text = (files("compress_core.reviews") / TEMPLATE).read_text("utf-8")
    return own.from_string(text)


def _shown_by(say: Speak) -> Speak:
    """A text in its language, in which nothing that a file brought turns or hides what stands beside it."""
    return lambda text: printable(say(text))


def _drawing(judged: JudgedGate) -> Markup:
    return Markup(interval_drawing(judged))  # noqa: S704 - it holds numbers alone


def _value(number: Number, say: Speak) -> str:
    return say(amount(value_in_report(number), number.unit)).strip() if number.value is not None else ""


def _interval(number: Number, say: Speak) -> str:
    return say(amount(said, number.unit)).strip() if (said := interval_in_report(number)) else ""


def _how(number: Number, say: Speak) -> str:
    """Measured, estimated or exact with the number of items; or why it is missing."""
    if number.value is None:
        return f"{say(WORDS['not_measured'])}: {say(number.reason)}"
    counted = "" if number.n is None else f", N = {number.n:,}"
    excuse = "" if number.no_interval is None else f". {say(number.no_interval)}"
    return f"{say(WORDS[number.kind])}{counted}{excuse}"


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")
