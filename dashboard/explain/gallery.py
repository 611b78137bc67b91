"""The items whose maps changed most, as small pictures before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.store import digest
from compress_core.worker.tasks.explain import ManyExplained
from dashboard import engine
from dashboard.explain import choice
from dashboard.figures.pictures import item_image, map_image
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.model import Model

COUNT = 8
A_ROW = 4
SIDE = 84


def draw(model: Model, result: ManyExplained) -> None:
    """The worst items; a button takes one of them to the top of the page."""
    worst = result.explanation.worst(COUNT)
    if worst.empty:
        return
    st.subheader(_("Whose maps changed most"))
    st.caption(
        _("The {count} items of the sample with the lowest rank correlation: item, original, compressed.").format(
            count=len(worst)
        )
    )
    for start in range(0, len(worst), A_ROW):
        columns = st.columns(A_ROW, gap="medium")
        for column, (_index, row) in zip(columns, worst[start : start + A_ROW].iterrows(), strict=False):
            with column.container(border=True):
                _one(model, result, row)


def _one(model: Model, result: ManyExplained, row: pd.Series) -> None:
    place = int(row["item"])
    item = int(result.chosen[place])
    if model.subject.input.is_image:
        st.image(_pictures(model, result, place, item), width=SIDE)
    before, after = (_class_name(model, int(row[name])) for name in ("class_before", "class_after"))
    said = literal(before) if before == after else f"{literal(before)} → **{literal(after)}**"
    st.markdown(
        _("Item {item}: {classes}, rank correlation {value}").format(
            item=item, classes=said, value=f"{row['spearman']:.2f}"
        )
    )
    st.button(
        _("Look at it"),
        key=f"explain.look.{item}",
        on_click=choice.show,
        args=(item,),
        icon=":material/north:",
        width="stretch",
    )


def _pictures(model: Model, result: ManyExplained, place: int, item: int) -> list[bytes]:
    subject, explanation = model.subject, result.explanation

    def make() -> list[bytes]:
        inputs = subject.split(result.split).inputs[item : item + 1]
        maps = explanation.maps(place)
        return [
            item_image(subject.input.raw(inputs)[0].numpy(), side=SIDE),
            map_image(maps.before, maps.limit, side=SIDE),
            map_image(maps.after, maps.limit, side=SIDE),
        ]

    content = explanation.before[place].tobytes(), explanation.after[place].tobytes()
    key = digest("explained pictures", subject.digest, item, *content)
    return engine.store().get(key, make, lambda pictures: sum(map(len, pictures)))


def _class_name(model: Model, number: int) -> str:
    classes = model.subject.classes
    return classes[number] if 0 <= number < len(classes) else _("nothing")
