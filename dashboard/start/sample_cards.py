"""The sample models: what each is, how good it is, and where it comes from."""

from __future__ import annotations

import streamlit as st

from compress_core.loading.cards import Card, CardShare, cards
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.text import _, literal, translated

MOST_IN_A_ROW = 3
SPLIT = "validation"  # the one that every page shows


def draw() -> None:
    """A card for each sample model."""
    in_a_row = _in_a_row(len(cards()))
    for index, card in enumerate(cards().values()):
        if index % in_a_row == 0:
            places = iter(st.columns(in_a_row, gap="medium"))
        with next(places).container(border=True, height="stretch", vertical_alignment="distribute"):
            _card(card)
    with st.expander(_("Where models and data come from"), icon=":material/library_books:"):
        for card in cards().values():
            _origin(card)


def _in_a_row(count: int) -> int:
    return count if count <= MOST_IN_A_ROW else -(-count // 2)


def _card(card: Card) -> None:
    title = translated(card.title)
    with st.container(gap="small"):
        st.markdown(f"**{literal(title)}**\n\n{literal(translated(card.summary))}")
        st.caption(
            _("{parameters} parameters · {task}").format(parameters=f"{card.parameters:,}", task=_task(card))
        )
        right, counted_on = accuracy_text(card.accuracy[SPLIT])
        with st.container(gap=None):
            st.markdown(right)
            st.caption(counted_on)
    if st.button(
        _("Open {model}").format(model=literal(title)),
        key=f"slimscope.start.sample.{card.name}",
        width="stretch",
    ):
        with refusals(), st.spinner(_("Opening the model")):
            opening.open_model(card.name)
            opening.go(opening.TUNE)


def _task(card: Card) -> str:
    sizes = " x ".join(map(str, card.input.shape))
    template = (
        _("images of {sizes}, {classes} classes")
        if card.input.kind == "image"
        else _("rows of {sizes} values, {classes} classes")
    )
    return template.format(sizes=sizes, classes=len(card.classes))


def accuracy_text(share: CardShare) -> tuple[str, str]:
    """An accuracy with its 95 % interval, and what it was counted on."""
    right = _("**{value} right** [{low}, {high}]").format(
        value=f"{100 * share.value:.2f} %", low=f"{100 * share.low:.2f}", high=f"{100 * share.high:.2f}"
    )
    return right, _("of {items:,} validation items, 95 % interval").format(items=share.n)


def _origin(card: Card) -> None:
    st.markdown(f"**{literal(translated(card.title))}**")
    st.caption(
        _("Data: {origin}. License: {license}. Trained with: {command}").format(
            origin=literal(card.data_origin),
            license=literal(card.license),
            command=literal(card.trained_with),
        )
    )
