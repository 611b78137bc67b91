"""The items whose maps changed most, as small pictures before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.foundation.number import fixed
from compress_core.foundation.store import digest
from compress_core.measure.explain.asked_answer import AskedKind
from compress_core.subject.wave_form import wave_form
from compress_core.tasks.explain_items import ManyExplained
from dashboard import engine
from dashboard.explain import choice, wave_map, word_maps
from dashboard.explain.one_item import class_name, cosine_text
from dashboard.figures.pictures import item_image, map_image
from dashboard.figures.words import short
from dashboard.item_number import number_of
from dashboard.show import is_dark
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.apply.model import Model

COUNT = 8
A_ROW, A_ROW_OF_TEXTS = 4, 2
SIDE = 84


def draw(model: Model, result: ManyExplained, key: str) -> None:
    """The worst items; a button takes one of them to the top of the page. key: the job's."""
    worst = result.explanation.worst(COUNT)
    if worst.empty:
        return
    st.subheader(_("Whose maps changed most"))
    st.caption(
        _("The {count} drawn items with the lowest rank correlation: item, original, compressed.").format(
            count=len(worst)
        )
    )
    across = A_ROW_OF_TEXTS if model.subject.input.is_text else A_ROW
    for start in range(0, len(worst), across):
        columns = st.columns(across, gap="medium")
        for column, (_index, row) in zip(columns, worst[start : start + across].iterrows(), strict=False):
            with column.container(border=True):
                _one(model, result, row, key)


def _one(model: Model, result: ManyExplained, row: pd.Series, key: str) -> None:
    place = int(row["item"])
    item = int(result.chosen[place])
    if model.subject.input.is_image or wave_form(model.subject) is not None:
        for column, picture in zip(
            st.columns(3, gap="small"), _pictures(model, result, place, key), strict=True
        ):
            column.image(picture, width="stretch")
    elif model.subject.input.is_text:
        split = model.subject.split(result.split)
        word_maps.small(model.subject, split, item, result.explanation, place, f"{key}.{place}")
    named = number_of(model.subject.split(result.split), item)
    st.markdown(_("Item {item}: {classes}").format(item=named, classes=_said(model, result, row)))
    st.caption(_("rank correlation {value}").format(value=fixed(row["spearman"])))
    st.button(
        _("Look at it"),
        key=f"explain.look.{item}",
        on_click=choice.show,
        args=(item,),
        icon=":material/north:",
        width="stretch",
    )


def _said(model: Model, result: ManyExplained, row: pd.Series) -> str:
    """What both say of an item, as Markdown."""
    asked = result.explanation.asked
    if asked is AskedKind.VECTOR:
        return _("cosine with the original's vector {value}").format(
            value=cosine_text(float(row["answer_after"]))
        )
    if asked is AskedKind.VALUE:
        before, after = (short(float(row[name])) for name in ("answer_before", "answer_after"))
    else:
        before, after = (class_name(model, int(row[name])) for name in ("class_before", "class_after"))
    return literal(before) if before == after else f"{literal(before)} → **{literal(after)}**"


def _pictures(model: Model, result: ManyExplained, place: int, key: str) -> list[bytes]:
    subject, explanation, dark = model.subject, result.explanation, is_dark()

    def make() -> list[bytes]:
        item = int(result.chosen[place])
        wave = wave_form(subject)
        if wave is not None:
            return wave_map.pictures(subject, subject.split(result.split), item, explanation, place, wave)
        inputs = subject.split(result.split).inputs[item : item + 1]
        maps = explanation.maps(place)
        return [
            item_image(subject.input.raw(inputs)[0].numpy(), side=SIDE),
            map_image(maps.before, maps.limit, side=SIDE, dark=dark),
            map_image(maps.after, maps.limit, side=SIDE, dark=dark),
        ]

    return engine.store().get(
        digest("explained pictures", key, place, dark), make, lambda pictures: sum(map(len, pictures))
    )
