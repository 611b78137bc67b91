"""One's own model: the files, what was understood of them, and the way to Tune."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from compress_core.loading.file_format import NO_KNOBS, ItemKnobs, item_formats, suffixes_of, weight_formats
from compress_core.loading.huggingface.sent_folder import is_folder_zip
from compress_core.loading.preprocessing import read_preprocessing
from compress_core.loading.text_items import TABLE, TEXT_FILES, refuse_texts
from compress_core.subject.reading_remarks import ReadingRemarks
from dashboard import engine, leases, saved_work, state
from dashboard.files_opened import ModelFiles, note
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.start.understood import understood
from dashboard.task_words import task_words
from dashboard.text import _, literal
from dashboard.uploaded_files import MOST_MEGABYTES, let_go

if TYPE_CHECKING:
    from compress_core.loading.asked_answers import TaskName
    from compress_core.loading.items import Items
    from compress_core.subject.subject import Subject

UNDERSTOOD = "slimscope.understood"
ENTRY = "slimscope.start.entry"
PREPROCESSING, LABEL_COLUMN = "slimscope.start.preprocessing", "slimscope.start.label_column"
TASK = "slimscope.start.task"
WEIGHTS, ITEMS = "weights", "items"
ONNX, FOLDER = "onnx", "zip"
_READ = "slimscope.start.files_read"
MOST_KEPT = 3
MOST_BYTES_KEPT = 256 * 2**20  # of weights and items of a session's models
MOST_CHARACTERS = 60  # of a file name, as the title of a model


def draw() -> None:
    """Two files in, a model out; what cannot be read gets a sentence and changes nothing."""
    uploaders = st.container()
    st.caption(
        _(
            "Any other network, whatever its code, is opened on your own machine: {command} in a shell, "
            "or {function} in a notebook."
        ).format(
            command="`slimscope open package.module:factory --data items.npz`",
            function="`compress_core.open_dashboard(network, items, labels)`",
        )
    )
    model_file, item_file = (st.session_state.get(_key(which)) for which in (WEIGHTS, ITEMS))
    if st.button(
        _("Read the model"),
        key="slimscope.start.read",
        icon=":material/upload_file:",
        disabled=model_file is None,
    ):
        _read_and_keep(model_file, item_file)
    with uploaders:  # last, so that they are empty again once their files were read
        _uploaders()
    name: str = st.session_state.get(UNDERSTOOD, "")
    if name in opening.uploads():
        _result(name)


def _uploaders() -> None:
    weights, items = st.columns(2, gap="medium")
    weights.file_uploader(
        _("Model: safetensors, a state dict, a checkpoint or ONNX"),
        [*suffixes_of(weight_formats()), ONNX, FOLDER],
        key=_key(WEIGHTS),
        max_upload_size=MOST_MEGABYTES,
        help=_(
            "What torch.save(model.state_dict(), path) or safetensors writes, or a checkpoint of a training: "
            "what stands beside the weights is skipped. The architecture is one of the samples, or a plain "
            "MLP or CNN that is told from names and shapes. An ONNX file with its weights inside tells the "
            "network itself, and so does a ZIP of a folder that save_pretrained wrote. Nothing in the file "
            "is run."
        ),
    )
    entry, task = weights.columns(2)
    task.selectbox(
        _("What is asked of it, optional"),
        list(task_words()),
        index=None,
        format_func=lambda name: task_words()[name],
        placeholder=_("told by its labels"),
        key=TASK,
        help=_(
            "Whole numbers as labels are classes, a row of 0 and 1 for each item several labels, and real "
            "numbers are what is to be answered (regression). Where labels do not tell it, say it here."
        ),
    )
    entry.text_input(
        _("Which weights of a checkpoint, optional"),
        key=ENTRY,
        placeholder=_("such as ema"),
        help=_(
            "A checkpoint may hold weights more than once, as those of the model and their average (ema). "
            "What is taken is said below; another name takes those instead."
        ),
    )
    items.file_uploader(
        _("Items, optional: inputs and labels"),
        [*suffixes_of(item_formats()), *(suffix.lstrip(".") for suffix in TEXT_FILES)],
        key=_key(ITEMS),
        max_upload_size=MOST_MEGABYTES,
        help=_(
            "An .npz with inputs (or images) and labels, in the order and scale the network was trained on; "
            "a table (.csv, .parquet) with a row for each item; or a .zip that holds a folder of pictures "
            "for each class. For a folder with a tokenizer, JSON lines of text and label. Without labels, "
            "pages compare answers instead of counting right ones."
        ),
    )
    how, column = items.columns(2)
    how.text_input(
        _("Preprocessing of pictures, optional"),
        key=PREPROCESSING,
        placeholder=_("such as {example}").format(example="resize=256 crop=224"),
        help=_(
            "What was done to pictures in the training: imagenet, or any of resize=256 crop=224 "
            "mean=0.5,0.5,0.5 std=0.2,0.2,0.2 channels=rgb interpolation=bilinear. The first items are shown "
            "as the network gets them."
        ),
    )
    column.text_input(
        _("Label column of a table, optional"),
        key=LABEL_COLUMN,
        placeholder=_("label, target or the last"),
        help=_("Its name, its number from 1, or none where no column is the label."),
    )


def _key(which: str) -> str:
    """The key of an uploader: another one after each file that was read."""
    return f"slimscope.start.{which}.{st.session_state.get(_READ, 0)}"


def _read_and_keep(model_file: UploadedFile | None, item_file: UploadedFile | None) -> None:
    if model_file is None:
        return
    with refusals(), st.spinner(_("Reading the model")):
        engine.warm()
        entry = _typed(ENTRY) or None
        how, column = _typed(PREPROCESSING) or None, _typed(LABEL_COLUMN) or None
        knobs = ItemKnobs(read_preprocessing(how or ""), column)
        task: TaskName | None = st.session_state.get(TASK)
        name = keep(read_uploaded(model_file, item_file, entry, knobs, task))
        items = None if item_file is None else item_file.name
        note(name, ModelFiles(model_file.name, items, entry, how, column, task))
        st.session_state[UNDERSTOOD] = name
        st.session_state[_READ] = st.session_state.get(_READ, 0) + 1
        let_go(model_file, item_file)


def _typed(key: str) -> str:
    said: str = st.session_state.get(key, "")
    return said.strip()


def read_uploaded(
    model_file: UploadedFile,
    item_file: UploadedFile | None,
    entry: str | None = None,
    knobs: ItemKnobs = NO_KNOBS,
    task: TaskName | None = None,
) -> Subject:
    """The model in the uploaded files, which are read in a process of their own; raises Refused.

    entry: which weights of a checkpoint are taken; knobs: how the items are read; task: what is asked of it.
    """
    from compress_core.loading.allowance import ON_SERVER
    from compress_core.loading.idle_knobs import refuse_idle_knobs
    from compress_core.loading.onnx_file.file_parts import begins_like_onnx
    from compress_core.loading.onnx_model import onnx_subject, refuse_entry_of_onnx, shapes_given
    from compress_core.loading.upload import state_of
    from compress_core.loading.user_model import with_remarks
    from compress_core.loading.weights_subject import user_subject

    if item_file is not None:
        refuse_idle_knobs(Path(item_file.name), None, knobs)
    reader, content = engine.reader(), model_file.getvalue()
    name = PurePath(model_file.name).stem[:MOST_CHARACTERS]
    if is_folder_zip(content):
        return _of_folder(content, model_file.name, item_file, name, knobs, task)
    if begins_like_onnx(content):
        refuse_entry_of_onnx(entry, model_file.name)
        items = _items(item_file, name, knobs)
        found = reader.network(content, model_file.name, shapes_given(items))
        return onnx_subject(
            found,
            content,
            items,
            name=name,
            preprocessing=knobs.preprocessing,
            task=task,
            allowed=ON_SERVER,
        )
    state = state_of(reader.weights(content, model_file.name, entry))
    items = _items(item_file, name, knobs)
    how = knobs.preprocessing
    subject = user_subject(state.tensors, items, name=name, preprocessing=how, task=task, allowed=ON_SERVER)
    return with_remarks(subject, state.remarks)


def _of_folder(
    content: bytes,
    file: str,
    item_file: UploadedFile | None,
    name: str,
    knobs: ItemKnobs,
    task: TaskName | None,
) -> Subject:
    """The model of a folder that came as a ZIP, with its texts or arrays."""
    from compress_core.loading.allowance import ON_SERVER
    from compress_core.loading.huggingface.folder_subject import folder_subject
    from compress_core.loading.huggingface.opened_folder import open_folder
    from compress_core.loading.huggingface.picture_form import picture_knobs
    from compress_core.loading.upload import state_of
    from compress_core.loading.user_model import with_remarks
    from compress_core.loading.weights_file import FileWeights

    may_be_texts = item_file is not None and item_file.name.endswith((*TEXT_FILES, TABLE))
    texts = (item_file.getvalue(), item_file.name) if item_file is not None and may_be_texts else None
    sent = engine.reader().folder(content, file, texts)
    items = sent.texts or _items(item_file, name, picture_knobs(sent.files, knobs))
    state = state_of(FileWeights(sent.weights, ReadingRemarks()))
    folder = replace(open_folder(sent.files, sent.pieces), name=name)
    made = folder_subject(folder, state.tensors, items, task=task, allowed=ON_SERVER)
    return with_remarks(made, state.remarks)


def _items(item_file: UploadedFile | None, model: str, knobs: ItemKnobs) -> Items | None:
    if item_file is not None and item_file.name.endswith(TEXT_FILES):
        raise refuse_texts(model)
    return None if item_file is None else engine.reader().items(item_file.getvalue(), item_file.name, knobs)


def keep(subject: Subject) -> str:
    """Keep a model for this session: the last few, within so many bytes; the open one is never dropped."""
    name = state.keep_user_model(subject)
    kept = dict(opening.uploads())
    kept[name] = kept.pop(name)
    now = state.current()
    old = [other for other in kept if other != name and (now is None or other != now.model)]
    while old and (len(kept) > MOST_KEPT or sum(one.nbytes for one in kept.values()) > MOST_BYTES_KEPT):
        dropped = old.pop(0)
        title = kept.pop(dropped).title
        if not saved_work.is_upload_kept(dropped):
            _say_let_go(title)
        st.session_state.get(opening.SET_ASIDE, {}).pop(dropped, None)
        leases.let_go(dropped)
    st.session_state[state.UPLOADS] = kept
    return name


def _say_let_go(title: str) -> None:
    """Of a model that nobody has any more; what the workspace has stays under recent work."""
    st.info(
        _(
            "{model} was let go: a session keeps {most} models of one's own, {mebibytes} MiB of them. "
            "Upload it again to return."
        ).format(model=literal(title), most=MOST_KEPT, mebibytes=MOST_BYTES_KEPT >> 20)
    )


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
