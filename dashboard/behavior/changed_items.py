"""The parts of the Behavior page: the verdict in words, the numbers, the gallery of changed items."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from compress_core.foundation.number import Number
from compress_core.measure.behavior.compare import MARGIN_POINTS, Comparison
from compress_core.measure.behavior.metric import Metric, Shown, shown_metrics
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from dashboard import engine
from dashboard.figures.confidence import reliability
from dashboard.figures.drawn import Drawn, as_csv
from dashboard.figures.pictures import item_image
from dashboard.show import number_text, said_of
from dashboard.text import _, literal, translated

GALLERY = 12
ACROSS = 6


def verdict(compared: Comparison, split: Split, *, edited: bool) -> None:
    """Whether accuracy was lost, in words and in numbers; no words where nothing was edited."""
    numbers = compared.numbers
    items = _("{split} split, N = {items:,}").format(split=_(split.name), items=len(split))
    if compared.has_labels and edited:
        _say(compared, items)
    shown = _tiles(has_labels=compared.has_labels)
    for column, metric in zip(st.columns(len(shown)), shown, strict=True):
        _tile(column, metric, numbers[metric.name])
    st.caption(_("Measured on the {items}. Intervals hold with 95 % confidence.").format(items=items))
    _say_unanswered(compared)


def _say_unanswered(compared: Comparison) -> None:
    """Items without a finite answer have no class: charts leave them out, accuracy counts them as wrong."""
    before, after = (int((~side.answered).sum()) for side in (compared.before, compared.after))
    if before or after:
        st.warning(
            _(
                "Of {total:,} items the original leaves {before:,} without a finite answer, the compressed "
                "model {after:,}: they have no class and no confidence, and count as wrong."
            ).format(total=compared.before.n, before=before, after=after),
            icon=":material/warning:",
        )


def _tiles(*, has_labels: bool) -> list[Metric]:
    """The metrics that say something about these items."""
    if has_labels:
        return list(shown_metrics(Shown.TILE))
    return [m for m in shown_metrics(Shown.TILE | Shown.UNLABELED_TILE) if not m.needs_labels]


def _say(compared: Comparison, items: str) -> None:
    verdict_ = compared.no_loss()
    margin = f"{MARGIN_POINTS:g}"
    match verdict_.outcome:
        case "no loss":
            text = _("No loss: at most {margin} points of accuracy are lost ({items}).")
            st.success(text.format(margin=margin, items=items), icon=":material/check_circle:")
        case "loss":
            text = _("Loss: more than {margin} points of accuracy are lost ({items}).")
            st.error(text.format(margin=margin, items=items), icon=":material/trending_down:")
        case "undecided":
            text = _("Undecided: these items cannot tell whether {margin} points are lost ({items}).")
            more = verdict_.items_to_decide
            hint = (
                ""
                if more is None
                else " "
                + _("With about {n:,} items 9 of 10 reviews would, if shares stay as seen.").format(n=more)
            )
            st.warning(text.format(margin=margin, items=items) + hint, icon=":material/help:")
        case "not measured":
            st.info(_("The change of accuracy could not be measured."), icon=":material/info:")


def _tile(place: st.delta_generator.DeltaGenerator, metric: Metric, number: Number) -> None:
    with place.container(border=True):
        st.caption(_(metric.title), help=translated(metric.summary))
        st.markdown(f"#### {number_text(number)}")
        st.caption(said_of(number) or " ")


def calibration(compared: Comparison, *, dark: bool) -> Drawn:
    """The reliability diagram with the calibration error of both models."""
    before = Comparison(compared.before, compared.before).numbers["ece"].value
    after = compared.numbers["ece"].value
    return reliability(compared.reliability(), ece_before=before, ece_after=after, dark=dark)


def gallery(compared: Comparison, subject: Subject, split: Split) -> None:
    """The items whose predicted class changed, the biggest drop of confidence first."""
    changed = compared.changed_items()
    st.subheader(_("Items whose predicted class changed: {count:,}").format(count=len(changed)))
    if changed.empty:
        st.caption(_("None. Both models give every item that they answer the same class."))
        return
    kinds = [_all(), *sorted(changed["kind"].unique())]
    names = _kind_names()
    kind = st.segmented_control(
        _("Which"), kinds, default=_all(), format_func=lambda k: names[k], key="behavior.kind", required=True
    )
    found = changed if kind == _all() else changed[changed["kind"] == kind]
    if subject.input.is_image:
        _pictures(found.head(GALLERY), subject, split)
    table = _named(found, subject)
    st.dataframe(table.head(500), hide_index=True, width="stretch", height=280)
    st.download_button(
        _("CSV"),
        as_csv(table),
        "changed_items.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _all() -> str:
    return "all"


def _kind_names() -> dict[str, str]:
    return {
        "all": _("all"),
        "right_to_wrong": _("right, now wrong"),
        "wrong_to_right": _("wrong, now right"),
        "wrong_to_wrong": _("wrong, now otherwise wrong"),
        "changed": _("changed"),
    }


def _pictures(items: pd.DataFrame, subject: Subject, split: Split) -> None:
    columns = st.columns(ACROSS)
    for place, row in enumerate(items.to_dict("records")):
        column, item = columns[place % ACROSS], int(row["item"])
        before, after = _class_name(subject, row["before"]), _class_name(subject, row["after"])
        label = "" if pd.isna(row["label"]) else _class_name(subject, row["label"])
        alternative = _("item {item}, label {label}: {before} before, {after} now").format(
            item=item, label=label or "?", before=before, after=after
        )
        column.image(_png(subject, split, item), width="stretch", alt=alternative)
        column.caption(literal(alternative))


def _png(subject: Subject, split: Split, item: int) -> bytes:
    """An item as a picture, encoded once."""

    def make() -> bytes:
        return item_image(subject.input.raw(split.inputs[item : item + 1])[0].numpy(), low=0, high=1)

    return engine.store().get(f"picture:{split.digest}:{item}", make, len)


def _class_name(subject: Subject, number: int) -> str:
    return subject.classes[number] if 0 <= number < len(subject.classes) else _("no answer")


def _named(items: pd.DataFrame, subject: Subject) -> pd.DataFrame:
    kinds = _kind_names()
    return pd.DataFrame(
        {
            _("item"): items["item"],
            _("label"): [None if pd.isna(v) else _class_name(subject, int(v)) for v in items["label"]],
            _("before"): [_class_name(subject, v) for v in items["before"]],
            _("after"): [_class_name(subject, v) for v in items["after"]],
            _("confidence before"): items["confidence_before"].round(4),
            _("confidence after"): items["confidence_after"].round(4),
            _("kind"): [kinds[k] for k in items["kind"]],
        }
    )
