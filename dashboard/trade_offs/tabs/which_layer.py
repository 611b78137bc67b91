"""Which layer's compression made items flip: one layer at a time is put back, everything else stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.restored_layers import (
    TOGETHER_MOST,
    RestoredLayers,
    changed_layers,
    restored_layers,
)
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import digest
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import compare
from dashboard import chosen_split, engine, page_files
from dashboard.bound_widget import by_hand, showing
from dashboard.explain import choice
from dashboard.figures.pictures import item_image
from dashboard.figures.put_back import confidence_put_back, turned_back
from dashboard.flip_words import class_of
from dashboard.item_number import number_of
from dashboard.item_view import small_item
from dashboard.show import about_item, figure, is_dark, provenance
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.measure.behavior.compare import Comparison
    from compress_core.subject.split import Split
    from dashboard.view import View

TITLE = N_("Which layer did it?")
ORDER = 32
_ITEM = "trade_offs.flip"


def draw(view: View, model: Model) -> None:  # noqa: ARG001 - every tab is given both
    """One flipped item and its layers, then all flips."""
    subject = model.subject
    if not chosen_split.offered(subject):
        st.info(_("This model came without items, so nothing can flip."), icon=":material/upload_file:")
        return
    if not changed_layers(model):
        st.info(_("No layer is compressed yet: move a slider on Tune."), icon=":material/tune:")
        page_files.link("tune")
        return
    split = chosen_split.chosen_split(subject)
    chosen_split.draw(st.container(), subject)
    chosen_split.count_look(model, split)
    compared = compare(model, split, engine.store())
    changed = compared.changed_items()["item"].to_numpy(np.int64)
    if not changed.size:
        st.success(
            _("No item of the {split} split flips.").format(split=_(split.name)), icon=":material/check:"
        )
        return
    one, every = st.columns(2, gap="medium")
    with one:
        _one_item(model, split, compared, _chosen(split, changed))
    with every:
        _all_flips(model, split, changed)


def _chosen(split: Split, changed: np.ndarray) -> int:
    """The flipped item that the visitor looks at, the same as on Explain; the worst one at first."""
    wish = st.session_state.get(choice.ITEM)
    numbers = [int(item) for item in changed]
    chosen: int = st.selectbox(
        _("Which of {count:,} flips, the biggest drop of confidence first").format(count=len(numbers)),
        numbers,
        format_func=lambda item: _("item {item}").format(item=number_of(split, item)),
        key=showing(_ITEM, wish if wish in numbers else numbers[0]),
        on_change=by_hand(_ITEM, lambda: choice.show(int(st.session_state[_ITEM]))),
    )
    return chosen


def _found(model: Model, split: Split, items: np.ndarray) -> RestoredLayers:
    key = digest("restored layers", model.key, split.digest, *items.tolist())
    return engine.store().get(
        key,
        lambda: result_of(restored_layers(model, split, items, engine.store())),
        lambda r: 2 * r.confidence.nbytes,
    )


def _one_item(model: Model, split: Split, compared: Comparison, item: int) -> None:
    found = _found(model, split, np.array([item]))
    before, after = (class_of(model.subject, int(c[0])) for c in (found.class_before, found.class_after))
    picture, words = st.columns([1, 3.4], vertical_alignment="center")
    if model.subject.input.is_image:
        raw = model.subject.input.raw(split.inputs[item : item + 1])[0].numpy()
        picture.image(item_image(raw, low=0, high=1), width=84)
    else:
        small_item(picture, model.subject, split, item)
    named = number_of(split, item)
    said = [_("Item {item}: {before} → {after}").format(item=named, before=before, after=after)]
    if compared.before.labels is not None:
        label = class_of(model.subject, int(compared.before.labels[item]))
        said.append(_("label {label}").format(label=label))
    words.markdown(literal(", ".join(said)))
    words.markdown(literal(_verdict(found)))
    drawn = confidence_put_back(
        named,
        found.layers,
        found.confidence[:, 0],
        found.is_back[:, 0],
        before=float(found.before[0]),
        after=float(found.after[0]),
        class_name=before,
        dark=is_dark(),
    )
    figure(drawn, "trade_offs.item", about_item(split, item, items=len(split)))


def _verdict(found: RestoredLayers) -> str:
    causes = found.causes(0)
    if causes:
        return _("With {layers} put back alone it keeps its class.").format(layers=_listed(causes))
    if found.all_back[0] == found.class_before[0]:
        return _("It takes several layers together: none of them alone turns it back.")
    return _(
        "Not the steps of these layers: it stays flipped with all of them put back. Removed channels, "
        "preparations, corrections or what was done before this recipe did it."
    )


def _listed(layers: tuple[str, ...]) -> str:
    shown = ", ".join(layers[:3])
    more = len(layers) - 3
    return shown if more <= 0 else _("{layers} (or {count} others)").format(layers=shown, count=more)


def _all_flips(model: Model, split: Split, changed: np.ndarray) -> None:
    found = _found(model, split, np.sort(changed[:TOGETHER_MOST]))
    st.markdown(_how_many(found, len(changed)))
    drawn = turned_back(found.layers, found.turned_back(), len(found.items), dark=is_dark())
    figure(drawn, "trade_offs.flips", provenance(split=split.name, items=len(split)))


def _how_many(found: RestoredLayers, every: int) -> str:
    alone = int(found.is_back.any(axis=0).sum())
    said = _(
        "{alone:,} of {items:,} flips turn back with one layer put back, {several:,} need several."
    ).format(alone=alone, items=len(found.items), several=len(found.items) - alone)
    if every > len(found.items):
        said += " " + _("The {items:,} with the biggest drop of confidence, of {every:,}.").format(
            items=len(found.items), every=every
        )
    return said
