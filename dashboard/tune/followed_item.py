"""One item of the visitor's choice beside the knobs: what is answered, and what the layer makes of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.store import digest
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.item_pass import ItemPass, item_pass
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.split import Split
from dashboard import engine
from dashboard.explain import choice
from dashboard.explain.one_item import answer_words, class_name, label_words
from dashboard.figures import item_answers as figures
from dashboard.figures.drawn import Drawn
from dashboard.figures.item_answers import answers_table
from dashboard.header import SPLIT
from dashboard.item_bars.item_bars import ItemBars, item_bars
from dashboard.item_number import say_number_in_file
from dashboard.item_view import small_item
from dashboard.show import about_item, csv_button, figure, is_dark, kept
from dashboard.text import _, literal
from dashboard.tune.answers_ahead import answers_ahead
from dashboard.view import View

WIDGET = "tune.item"


def draw(view: View, model: Model) -> None:
    """The item, how sure both models are of it, and what the selected layer puts out for it."""
    if SPLIT not in model.subject.splits:
        st.info(_("There is no item to follow: this model came without data."), icon=":material/upload_file:")
        return
    split = model.subject.split(SPLIT)
    if model.subject.input.is_text:
        picture, chosen = st.container(), st.container()
    else:
        picture, chosen = st.columns([1, 3], vertical_alignment="center", gap="small")
    with chosen:
        item = _item(model, split)
        say_number_in_file(split, item)
    small_item(picture, model.subject, split, item)
    before, after = (_passed(one, view.layer, split, item) for one in (Model.original(model.subject), model))
    with chosen:
        words, download = st.columns([2, 1], vertical_alignment="center", gap="small")
    words.caption(_said(model, before))
    if model.subject.task is PredictionTask.CLASSIFICATION:
        table = _answers(view, model, split, item, (before, after))
        csv_button(download, "tune.item.answers", table, about_item(split, item))
    else:
        st.caption(_said_now(model, after))
    if before.output is None:
        st.caption(_("{layer} puts out nothing that belongs to one item.").format(layer=literal(view.layer)))
        return
    content = digest(model.key, split.digest, item, view.layer)
    drawn = kept("item outputs", content, lambda: _outputs(view.layer, before, after))
    with st.container(key="tune_followed"):  # page_style.css marks it while a knob stands elsewhere
        figure(drawn, "tune.item.outputs")


def _item(model: Model, split: Split) -> int:
    """The number of the item, the same as on Explain; where all answers are known, a way to a changed one."""
    last = len(split) - 1
    number, following = st.columns([1, 1], vertical_alignment="bottom", gap="small")
    st.session_state[WIDGET] = min(st.session_state.get(choice.ITEM, 0), last)
    item = int(
        number.number_input(
            _("Item, 0 to {last:,}").format(last=last),
            0,
            last,
            step=1,
            key=WIDGET,
            on_change=lambda: choice.show(int(st.session_state[WIDGET])),
        )
    )
    changed: list[int] = []
    if model.is_changed and engine.is_evaluated(model, split):
        compared = compare(model, split, engine.store())
        changed = compared.items_changed.tolist() if compared.before.kind.has_classes else []
    following.button(
        _("Next changed item"),
        on_click=choice.show,
        args=(choice.next_after(changed, item),),
        disabled=not changed,
        icon=":material/skip_next:",
        width="stretch",
        key="tune.item.next",
    )
    return item


def _passed(model: Model, layer: str, split: Split, item: int) -> ItemPass:
    subject = model.subject
    key = digest("item pass", model.key, subject.key, layer, split.digest, item)
    return engine.store().get(
        key,
        lambda: item_pass(subject, model.network(), subject.layer(layer), split, item),
        lambda found: 2**12 + (0 if found.output is None else found.output.nbytes),
    )


def _said(model: Model, before: ItemPass) -> str:
    one = before.predictions
    first = _("The original says {first}.").format(first=literal(answer_words(model, one, 0)))
    if one.labels is None and one.wanted is None:
        return first
    return f"{_('Label {label}.').format(label=literal(label_words(model, one, 0)))} {first}"


def _said_now(model: Model, after: ItemPass) -> str:
    now = answer_words(model, after.predictions, 0)
    return _("The compressed model says {now}.").format(now=literal(now))


def _answers(
    view: View, model: Model, split: Split, item: int, passes: tuple[ItemPass, ItemPass]
) -> pd.DataFrame:
    """Bars that follow the knobs, once what these would lead to was worked out; gives all of the answers."""
    first, second = (one.predictions.probabilities[0] for one in passes)
    names = [class_name(model, number) for number in range(len(first))]
    ahead = answers_ahead(view, model, split, item)
    item_bars(ItemBars(names, first, second, ahead or {}), "tune.item.bars")
    if ahead is None:
        st.fragment(_until_worked_out, run_every=engine.ASK_EVERY_S)(view, model, split, item)
    return answers_table(names, first, second)


def _until_worked_out(view: View, model: Model, split: Split, item: int) -> None:
    """Draws nothing outside of its own place; the run that follows finds them."""
    if answers_ahead(view, model, split, item) is not None:
        st.rerun()


def _outputs(layer: str, before: ItemPass, after: ItemPass) -> Drawn:
    assert before.output is not None, "drawn only where there is an output"
    second = None if after.output is None else after.output.numpy()
    return figures.outputs(layer, before.output.numpy(), second, dark=is_dark())
