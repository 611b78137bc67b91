"""Items to train on for a model of one's own: a file, what it must hold, and what is wrong with another."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from compress_core.foundation.texts import N_
from compress_core.loading.file_format import item_formats, suffixes_of
from compress_core.loading.own_training import with_training
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.subject import Subject
from dashboard import engine
from dashboard.show import refusals
from dashboard.start import upload_model
from dashboard.text import _, literal
from dashboard.uploaded_files import MOST_MEGABYTES, let_go

_READ = "slimscope.recover.files_read"
_WITH_LABELS = N_(
    "{model} came without items to train on. Give it an .npz file with inputs (or images) and "
    "labels, in the order and scale in which it was trained once. None of them may be among "
    "those on which it is judged: splits stay apart."
)
_WITHOUT_LABELS = N_(
    "{model} came without items to train on. Give it an .npz file with inputs (or images) in the scale in "
    "which it was trained once; vectors need no labels. None of them may be among those on which it is "
    "judged: splits stay apart."
)
_OF_TEXTS = N_(
    "{model} came without items to train on. This page has no tokenizer for it, so give it an .npz file with "
    "input_ids and attention_mask as the tokenizer makes them, and labels unless the next word is judged. "
    "Texts are read where the model's folder lies: {command}. None of them may be among those on which it is "
    "judged: splits stay apart."
)
_COMMAND = "`slimscope train FOLDER --train texts.jsonl`"


def draw(subject: Subject) -> None:
    """What is needed, where to give it, and a button that reads it."""
    if subject.training is None:
        st.info(_what_to_give(subject), icon=":material/upload_file:")
    place = st.container()
    uploader = f"recover.items.{st.session_state.get(_READ, 0)}"  # another one after each file that was read
    file: UploadedFile | None = st.session_state.get(uploader)
    if st.button(
        _("Read the training items"),
        key="recover.read",
        icon=":material/upload_file:",
        disabled=file is None,
    ):
        _read(subject, file)
    place.file_uploader(
        _("Training items: inputs alone")
        if subject.task is PredictionTask.EMBEDDING
        else _("Training items: inputs and labels"),
        ["npz"] if _reads_fields(subject) else suffixes_of(item_formats()),
        key=f"recover.items.{st.session_state.get(_READ, 0)}",
        max_upload_size=MOST_MEGABYTES,
    )


def _reads_fields(subject: Subject) -> bool:
    """Whether items are arrays by name: of such no table is made."""
    return bool(subject.input.fields)


def _what_to_give(subject: Subject) -> str:
    title = literal(subject.title)
    if _reads_fields(subject) and subject.input.words:
        return _(_OF_TEXTS).format(model=title, command=_COMMAND)
    return _(_WITHOUT_LABELS if subject.task is PredictionTask.EMBEDDING else _WITH_LABELS).format(
        model=title
    )


def _read(subject: Subject, file: UploadedFile | None) -> None:
    if file is None:
        return
    with refusals(), st.spinner(_("Reading the items")):
        items = engine.reader().items(file.getvalue(), file.name)
        upload_model.keep(with_training(subject, items))
        let_go(file)
        st.session_state[_READ] = st.session_state.get(_READ, 0) + 1
        st.rerun()
