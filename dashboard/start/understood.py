"""What was understood of an uploaded model, and what was left alone, with the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.number import fixed
from compress_core.foundation.printable import printable
from dashboard.number_table import number_table
from dashboard.show import untouched_text
from dashboard.task_words import answer_words
from dashboard.text import _, literal, translated

if TYPE_CHECKING:
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject


SHOWN_ITEMS, ITEM_SIDE = 4, 84
PICTURE_CHANNELS = (1, 3)


def understood(subject: Subject) -> None:
    """Architecture, form of the input, items, layers, broken weights."""
    st.markdown(f"**{literal(subject.title)}**\n\n{literal(translated(subject.summary))}")
    st.caption(
        _("{parameters:,} parameters · input {shape} · {answers}").format(
            parameters=subject.parameters,
            shape=input_said(subject),
            answers=answer_words(subject),
        )
    )
    st.markdown("\n".join(f"- {line}" for line in _items(subject)))
    for layer, count in subject.problems.items():
        st.error(
            _("Layer {layer} is NaN or infinite in {count} of its weights.").format(
                layer=literal(layer), count=count
            ),
            icon=":material/error:",
        )
    for sentence in subject.warnings:
        st.warning(literal(_(sentence)), icon=":material/info:")
    if subject.input.is_image and subject.splits and subject.input.shape[0] in PICTURE_CHANNELS:
        _first_items(subject)
    if subject.layers:
        _layers(subject)
    else:
        st.warning(_("No layer of this model can be compressed."), icon=":material/block:")
    for left in subject.untouched:
        st.caption(untouched_text(left))


def input_said(subject: Subject) -> str:
    """How long one item is: of a text the tokens, whatever else is given with each of them."""
    form = subject.input
    if form.is_text and form.fields:
        return _("{count:,} tokens").format(count=form.fields[0].width)
    return " x ".join(map(str, form.shape))


def _first_items(subject: Subject) -> None:
    """A few items as the network gets them, and which numbers these are."""
    from dashboard.figures.pictures import item_image

    inputs = next(iter(subject.splits.values())).inputs[:SHOWN_ITEMS]
    places = st.columns(2 * SHOWN_ITEMS)
    for place, item in zip(places, subject.input.raw(inputs).numpy(), strict=False):
        place.image(item_image(item, side=ITEM_SIDE), width=ITEM_SIDE)
    st.caption(
        _(
            "The first items as the network gets them: {shape}, values from {low} to {high}, {mean} in the "
            "mean."
        ).format(
            shape=" x ".join(map(str, inputs.shape[1:])),
            low=fixed(float(inputs.min())),
            high=fixed(float(inputs.max())),
            mean=fixed(float(inputs.mean())),
        )
    )


def _items(subject: Subject) -> list[str]:
    if not subject.splits:
        return [_("No items: sizes and weights can be seen, accuracy and behavior cannot.")]
    return [_split(split) for split in subject.splits.values()]


def _split(split: Split) -> str:
    if len(split) == 1:
        one = (
            _("1 {split} item with a label")
            if split.labels is not None
            else _("1 {split} item without a label: its answers are compared, not counted right")
        )
        return one.format(split=_(split.name))
    template = (
        _("{items:,} {split} items with labels")
        if split.labels is not None
        else _("{items:,} {split} items without labels: answers are compared, not counted right")
    )
    return template.format(items=len(split), split=_(split.name))


def _layers(subject: Subject) -> None:
    columns = pd.DataFrame(
        {
            _("layer"): [printable(layer.name) for layer in subject.layers],
            _("kind"): [_(layer.label) for layer in subject.layers],
            _("weights"): [layer.weights for layer in subject.layers],
        }
    )
    taken = columns.set_axis(["layer", "kind", "weights"], axis="columns").assign(
        kind=[layer.label for layer in subject.layers]
    )
    with st.expander(_("{count} layers can be compressed").format(count=len(subject.layers))):
        number_table(columns, "start.layers", Provenance(subject.name), taken=taken)
