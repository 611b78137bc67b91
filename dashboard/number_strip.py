"""The numbers in the header: bytes of both files, accuracy, churn; one box each, and in it what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from dashboard import engine, header_numbers
from dashboard.figures.words import in_bytes
from dashboard.header_numbers import SPLIT, WAITING, Freshness, HeaderNumbers
from dashboard.show import number_text, said_of, with_interval
from dashboard.text import _, literal, refusal

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.measure.behavior.metric import Metric

BESIDE = "packed", "accuracy", "churn"


def label(caption: str, value: str) -> str:
    """What a box of the header is called: a caption and a value, which the style sheet sets below it."""
    return f"{caption} **{value}**"


def draw(model: Model, file_bytes: int, known: Known) -> Callable[[], None]:
    """Draw the numbers that are known; what it returns draws the others once the page itself stands."""
    _plain(model, file_bytes)
    strip = NumberStrip(model, *(box(name) for name in BESIDE))
    return _nothing_is_left if strip.draw(known).is_all else strip.fill


def leave_empty() -> None:
    """The places of the numbers alone, for a model that cannot be made yet."""
    for name in ("plain", *BESIDE):
        box(name)


def box(name: str) -> DeltaGenerator:
    """A place in the header for one thing: what is drawn twice in a run has no key, so its place has."""
    return st.container(key=f"slimscope_{name}", width="content").empty()


def _nothing_is_left() -> None:
    """Every number is there."""


@dataclass(frozen=True, eq=False)
class Known:
    """The numbers of a model that are there without computing anything."""

    has_items: bool
    size: Number | None
    numbers: HeaderNumbers | None

    @classmethod
    def of(cls, model: Model) -> Known:
        """What is there by now."""
        has_items = SPLIT in model.subject.splits
        size = engine.packed_size_if_known(model)
        return cls(has_items, size, header_numbers.known(model) if has_items else None)

    @property
    def freshness(self) -> Freshness | None:
        """What the accuracy speaks of; None where there is none."""
        return None if self.numbers is None else self.numbers.freshness

    @property
    def is_all(self) -> bool:
        """Whether nothing more will come."""
        return self.size is not None and (not self.has_items or self.freshness is Freshness.EXACT)

    def is_more_than(self, shown: Known) -> bool:
        """Whether something came since that was shown."""
        return (self.size is None, self.freshness) != (shown.size is None, shown.freshness)


@dataclass(frozen=True, eq=False)
class NumberStrip:
    """The places of a model's numbers.

    A place holds one box however often it is drawn: what a longer version left over in the same run would
    stay on the screen, so that a box never gets fewer elements than it had.
    """

    model: Model
    packed: DeltaGenerator
    accuracy: DeltaGenerator
    churn: DeltaGenerator

    def draw(self, known: Known) -> Known:
        """Draw these, and say of the others that they are being computed; the same numbers again."""
        _packed(self.packed, self.model, known.size)
        if known.has_items:
            self._draw(known.numbers)
        else:
            _sentence(self.accuracy, _("Accuracy"), _("not measured"), _("No items were loaded."))
        return known

    def fill(self) -> None:
        """Draw what takes a moment to compute, and have the page drawn anew when there is more."""
        if SPLIT in self.model.subject.splits:
            try:
                header_numbers.within_patience(self.model, self._draw)
            except Refused as refused:
                self._refuse(refused)
                return
        shown = self.draw(Known.of(self.model))
        if header_numbers.is_overtaken(self.model, shown.freshness):
            st.rerun()
        st.fragment(self._until_there_is_more, run_every=engine.ASK_EVERY_S)(shown)

    def _until_there_is_more(self, shown: Known) -> None:
        """Draws nothing: a fragment that writes outside of its own place breaks the page in the browser.

        Streamlit puts a wrapper into that place, and joins messages of the same place in one run; on a busy
        machine what was in the wrapper came before the wrapper, and the browser gave up the whole run.
        """
        known = Known.of(self.model)
        if known.is_all or known.is_more_than(shown) or self._is_refused():
            st.rerun()

    def _is_refused(self) -> bool:
        """Whether all items were tried in vain: the next run says why."""
        has_items = SPLIT in self.model.subject.splits
        return has_items and header_numbers.has_ended(self.model) and header_numbers.exact(self.model) is None

    def _draw(self, found: HeaderNumbers | None) -> None:
        if found is None:
            being = _("The numbers of this recipe are being computed.")
            _sentence(self.accuracy, _("Accuracy"), WAITING, being)
            _sentence(self.churn, _("Churn"), WAITING, being)
            return
        header_numbers.remember(self.model, found)
        _accuracy(self.accuracy, found)
        if found.headline() != found.moved():
            _churn(self.churn, found)

    def _refuse(self, refused: Refused) -> None:
        for place, title in ((self.accuracy, _("Accuracy")), (self.churn, _("Churn"))):
            _sentence(place, title, _("not measured"), literal(refusal(refused)))


def _plain(model: Model, file_bytes: int) -> None:
    from compress_core.apply.model import Model

    bits, original = model.bits, Model.original(model.subject).file_bytes
    with box("plain").popover(label(_("Plain file"), _in_relation(file_bytes, original))):
        st.markdown(
            _("Exact bytes of the plain file, {now:,}, against {before:,} of the original.").format(
                now=file_bytes, before=original
            )
        )
        items = {
            _("values"): bits.values // 8,
            _("positions"): bits.positions // 8,
            _("tables"): bits.tables // 8,
            _("header"): file_bytes - bits.total // 8,
        }
        st.table({"": list(items), _("bytes"): [f"{count:,}" for count in items.values()]})


def _packed(place: DeltaGenerator, model: Model, size: Number | None) -> None:
    """Its own bytes or none: those of another recipe, or a guess, never stand here."""
    from compress_core.apply.model import Model

    if size is None or size.value is None:
        being = _("The packed file of this recipe is being made, to see how small it gets.")
        _sentence(place, _("Packed file"), WAITING, being)
        return
    original = Model.original(model.subject).file_bytes
    said = _("Measured bytes of the packed file, {now:,}, against {before:,} of the original's plain file.")
    _sentence(
        place,
        _("Packed file"),
        _in_relation(int(size.value), original),
        said.format(now=int(size.value), before=original),
    )


def _in_relation(now: int, original: int) -> str:
    return f"{in_bytes(now)} · {original / now:.2f}x"


def _accuracy(place: DeltaGenerator, found: HeaderNumbers) -> None:
    from compress_core.measure.behavior.metric import metrics

    headline = found.headline()
    value = number_text(found.numbers[headline.name])
    changes = [metric for metric in metrics().values() if metric.change_of == headline.name]
    for metric in changes if found.is_changed else ():
        value += f" · {with_interval(found.numbers[metric.name])}"
    with place.popover(_labeled(found, headline, value)):
        st.caption(found.sentence())
        _table(found)


def _churn(place: DeltaGenerator, found: HeaderNumbers) -> None:
    metric = found.moved()
    number = found.numbers[metric.name]
    value = with_interval(number) if found.is_changed else number_text(number)
    with place.popover(_labeled(found, metric, value)):
        st.caption(found.sentence())
        st.markdown(f"{_named(metric)}: {_(metric.summary)}")


def _labeled(found: HeaderNumbers, metric: Metric, value: str) -> str:
    """What is stale is set in italics, beside the word."""
    value = value.strip()
    return label(
        found.caption(_(metric.title)), f"*{value}*" if found.freshness is Freshness.STALE else value
    )


def _table(found: HeaderNumbers) -> None:
    """Its columns say of which items the values are, as the caption above them does."""
    from compress_core.measure.behavior.metric import Shown, shown_metrics

    rows = [
        (_named(metric), number_text(found.numbers[metric.name]), said_of(found.numbers[metric.name]))
        for metric in shown_metrics(Shown.HEADER, found.task)
    ]
    texts, values, intervals = zip(*rows, strict=True)
    value = {
        Freshness.EXACT: _("value"),
        Freshness.QUICK: _("value, first {items:,} items {waiting}"),
        Freshness.STALE: _("stale value"),
    }[found.freshness].format(items=found.items, waiting=WAITING)
    st.table({"": texts, value: values, _("95 % interval"): intervals})


def _sentence(place: DeltaGenerator, caption: str, value: str, sentence: str) -> None:
    with place.popover(label(caption, value)):
        st.caption(sentence)


def _named(metric: Metric) -> str:
    """What a metric is called, and the kind of its interval."""
    return f"{_(metric.title)}, {_(metric.interval)}" if metric.interval else _(metric.title)
