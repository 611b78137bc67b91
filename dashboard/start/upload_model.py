"""One's own model: the files, what was understood of them, and the way to Tune."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from compress_core.loading.file_format import item_formats, suffixes_of, weight_formats
from dashboard import engine, state
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.start.understood import understood
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.subject.subject import Subject

UNDERSTOOD = "slimscope.understood"
MOST_MEGABYTES = 64
MOST_KEPT = 3
MOST_CHARACTERS = 60  # of a file name, as the title of a model


def draw() -> None:
    """Two files in, a model out; what cannot be read gets a sentence and changes nothing."""
    weights, items = st.columns(2, gap="medium")
    model_file = weights.file_uploader(
        _("Weights: safetensors or a state dict"),
        suffixes_of(weight_formats()),
        key="slimscope.start.weights",
        max_upload_size=MOST_MEGABYTES,
        help=_(
            "What torch.save(model.state_dict(), path) or safetensors writes. The architecture is one of the "
            "samples, or a plain MLP or CNN that is told from names and shapes. Nothing in the file is run."
        ),
    )
    item_file = items.file_uploader(
        _("Items, optional: inputs and labels"),
        suffixes_of(item_formats()),
        key="slimscope.start.items",
        max_upload_size=MOST_MEGABYTES,
        help=_(
            "An .npz with inputs (or images) and labels, in the order and scale the network was trained on. "
            "Without labels, pages compare answers instead of counting right ones."
        ),
    )
    st.caption(
        _(
            "Any other network, whatever its code, is opened on your own machine: {command} in a shell, "
            "or {function} in a notebook."
        ).format(
            command="`slimscope open package.module:function --data items.npz`",
            function="`compress_core.open_dashboard(network, items, labels)`",
        )
    )
    if st.button(
        _("Read the model"),
        key="slimscope.start.read",
        icon=":material/upload_file:",
        disabled=model_file is None,
    ):
        _read_and_keep(model_file, item_file)
    name: str = st.session_state.get(UNDERSTOOD, "")
    if name in opening.uploads():
        _result(name)


def _read_and_keep(model_file: UploadedFile | None, item_file: UploadedFile | None) -> None:
    if model_file is None:
        return
    with refusals(), st.spinner(_("Reading the model")):
        engine.warm()
        weights = (model_file.getvalue(), model_file.name)
        items = (item_file.getvalue(), item_file.name) if item_file is not None else None
        st.session_state[UNDERSTOOD] = keep(read_uploaded(weights, items))


def read_uploaded(weights: tuple[bytes, str], items: tuple[bytes, str] | None) -> Subject:
    """The model in the bytes of the uploaded files, each with its name; raises Refused."""
    from compress_core.loading.items import read_items
    from compress_core.loading.upload import read_state_dict
    from compress_core.loading.user_model import user_subject

    found = read_state_dict(*weights)
    return user_subject(
        found, read_items(*items) if items else None, name=PurePath(weights[1]).stem[:MOST_CHARACTERS]
    )


def keep(subject: Subject) -> str:
    """Keep a model for this session, the last few only; the open one is never dropped."""
    name = state.keep_user_model(subject)
    kept = dict(opening.uploads())
    kept[name] = kept.pop(name)
    now = state.current()
    old = [other for other in kept if other != name and (now is None or other != now.model)]
    for dropped in old[: max(0, len(kept) - MOST_KEPT)]:
        st.info(
            _(
                "{model} was let go: a session keeps {most} models of one's own. Upload it again to return."
            ).format(model=literal(kept.pop(dropped).title), most=MOST_KEPT)
        )
        st.session_state.get(opening.SET_ASIDE, {}).pop(dropped, None)
    st.session_state[state.UPLOADS] = kept
    return name


def _result(name: str) -> None:
    subject = opening.uploads()[name]
    with st.container(border=True):
        understood(subject)
        if subject.layers and st.button(
            _("Open {model} on Tune").format(model=literal(subject.title)),
            key="slimscope.start.tune",
            type="primary",
            icon=":material/tune:",
        ):
            with refusals():
                opening.open_model(name)
                opening.go(opening.TUNE)
