"""The items of a folder's network: texts by its tokenizer, pictures or rows and labels as it numbers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.asked_answers import TaskName, asked_of
from compress_core.loading.huggingface.config_file import FolderConfig
from compress_core.loading.huggingface.model_types import Head
from compress_core.loading.huggingface.opened_folder import OpenedFolder
from compress_core.loading.huggingface.word_pieces import (
    USUAL_LENGTH,
    WORD_INPUTS,
    Tokenized,
    WordPieces,
    word_fields,
)
from compress_core.loading.items import Items
from compress_core.loading.text_items import Label, TextItems, number_of_text, text_at
from compress_core.network.input_field import rows_of
from compress_core.subject.input_form import TEXT, InputForm
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.subject import Subject

_ANSWERS = {head: "pooler_output" if head is Head.VECTOR else "logits" for head in Head}
"""How the library calls what is judged."""
_WITHOUT_LABELS: Mapping[str, str] = {
    "tokens": N_("needs a label for each place that its tokenizer makes, not one for a text"),
    "next_token": N_("takes the next words as labels"),
    "embedding": N_("answers with vectors that are compared with the original's"),
}
_INSTEAD = N_(", or give input_ids, attention_mask and labels [N, places] as .npz")


def training_items(folder: OpenedFolder, items: Items | TextItems, subject: Subject) -> Items:
    """Items to train on as the model of a folder takes them: texts as long as those it is judged on."""
    if isinstance(items, Items):
        return items
    length = subject.input.fields[0].width if subject.input.fields else None
    found, _ = items_and_form(folder, items, length, asked_of(subject))
    assert found is not None, "made of texts"
    return found


def items_and_form(
    folder: OpenedFolder, items: Items | TextItems | Tokenized | None, length: int | None, task: TaskName
) -> tuple[Items | None, InputForm]:
    """The items as the network takes them, which say how many texts were cut off, and their form."""
    if folder.picture is not None:
        if isinstance(items, TextItems | Tokenized):
            raise Refused("{folder} looks at pictures and reads no texts: give those.", folder=folder.name)
        return items, replace(folder.picture, answer=_ANSWERS[folder.config.head])
    if isinstance(items, TextItems):
        return _tokenized(folder, _by_its_tokenizer(folder, items, length), task)
    if isinstance(items, Tokenized):
        return _tokenized(folder, items, task)
    if items is None:
        wide = min(folder.config.length or USUAL_LENGTH, USUAL_LENGTH) if length is None else length
        return None, _form(folder, WORD_INPUTS[:2], wide)
    names = [field.name for field in items.fields]
    if not names or names[0] != WORD_INPUTS[0] or not set(names) <= set(WORD_INPUTS):
        raise Refused(
            "{folder} reads words: give texts (JSON lines), or arrays {known} by name, as the tokenizer "
            "gives them.",
            folder=folder.name,
            known=", ".join(WORD_INPUTS[:2]),
        )
    _refuse_beyond_vocabulary(items, folder)
    return items, _form(folder, tuple(names), items.fields[0].width)


def _refuse_beyond_vocabulary(items: Items, folder: OpenedFolder) -> None:
    """Refuse numbers of words [N, L] that stand first in the rows and of which the network has no vector."""
    high, count = float(items.inputs[:, : items.fields[0].width].max()), folder.config.vocabulary
    assert count is not None, "of a network that reads words"
    if high >= count:
        raise Refused(
            "{name} go up to {high:,.0f}, but the vocabulary of {folder} has {count:,} words, 0 to {last:,}: "
            "make them with the tokenizer of this network.",
            name=WORD_INPUTS[0],
            high=high,
            folder=folder.name,
            count=count,
            last=count - 1,
        )


def _by_its_tokenizer(folder: OpenedFolder, texts: TextItems, length: int | None) -> Tokenized:
    if not isinstance(folder.pieces, WordPieces):
        raise Refused(
            "{folder} has no tokenizer.json, so that texts cannot become the numbers of words: save the fast "
            "tokenizer beside it, or give input_ids and attention_mask as .npz.",
            folder=folder.name,
        )
    return folder.pieces.rows(texts, length)


def _tokenized(folder: OpenedFolder, found: Tokenized, task: TaskName) -> tuple[Items, InputForm]:
    kinds = folder.config.numbers.get("type_vocab_size", 1)
    arrays = found.arrays(kinds=isinstance(kinds, int) and kinds > 1)
    form = _form(folder, tuple(arrays), found.ids.shape[1])
    rows = rows_of(form.fields, arrays).astype(np.int64)
    labels = None if found.labels is None else _numbered(folder.config, found.labels, found.lines, task)
    return Items(rows, labels, form.fields, remarks=_what_was_cut(found)), form


def _what_was_cut(found: Tokenized) -> ReadingRemarks:
    if not found.cut:
        return ReadingRemarks()
    if found.cut == 1:
        one = Phrase(
            "1 of {texts:,} texts is longer than {length:,} tokens and was cut off there.",
            texts=len(found.ids),
            length=found.ids.shape[1],
        )
        return ReadingRemarks(summary=(one,))
    said = Phrase(
        "{cut:,} of {texts:,} texts are longer than {length:,} tokens and were cut off there.",
        cut=found.cut,
        texts=len(found.ids),
        length=found.ids.shape[1],
    )
    return ReadingRemarks(summary=(said,))


def _form(folder: OpenedFolder, names: tuple[str, ...], length: int) -> InputForm:
    count = folder.config.vocabulary
    assert count is not None, "of a network that reads words"
    cover = None if folder.pieces is None else folder.pieces.cover
    words = () if folder.pieces is None else folder.pieces.words(count)
    fields = word_fields(names, length, count, folder.blank, cover)
    answer = _ANSWERS[folder.config.head] if folder.pooling is None else ""
    return InputForm(TEXT, (length * len(fields),), fields=fields, answer=answer, words=words)


def _numbered(
    config: FolderConfig, labels: tuple[Label, ...], lines: tuple[int, ...] | None, task: TaskName
) -> np.ndarray:
    """Labels as the numbers of classes; raises Refused for one that names none, or where none are taken."""
    match task:
        case "regression":
            return _real_labels(labels, lines)
        case "labels":
            return _truths(config, labels, lines)
        case "classification":
            pass
        case _:
            raise Refused(
                "The texts have labels ({got}), but {task} is asked of {architecture}, which {reason}: leave "
                "the labels out{instead}.",
                got=shortened(labels[0]),
                task=task,
                architecture=config.architecture,
                reason=_WITHOUT_LABELS[task],
                instead=_INSTEAD if task == "tokens" else "",
            )
    numbers = {name: number for number, name in enumerate(config.classes)}
    known = [
        numbers.get(label, number_of_text(label)) if isinstance(label, str) else label for label in labels
    ]
    for place, label in enumerate(known):
        if not isinstance(label, int) or not 0 <= label < len(config.classes):
            raise Refused(
                "The label of {item} is {got}, which is none of the classes {known}: correct it.",
                item=text_at(place, lines),
                got=shortened(labels[place]),
                known=shortened(list(config.classes)),
            )
    return np.array(known, dtype=np.int64)


def _truths(config: FolderConfig, labels: tuple[Label, ...], lines: tuple[int, ...] | None) -> np.ndarray:
    """Labels [N, labels] of 0 and 1, as lists of them."""
    count = len(config.classes)
    for place, label in enumerate(labels):
        if not isinstance(label, tuple) or len(label) != count or not set(label) <= {0, 1}:
            raise Refused(
                "The label of {item} is {got}, but the network says of each of {count} labels whether "
                "it holds: give a list of {count} numbers, 0 or 1, in the order of {known}.",
                item=text_at(place, lines),
                got=shortened(list(label) if isinstance(label, tuple) else label),
                count=count,
                known=shortened(list(config.classes)),
            )
    return np.array(labels, dtype=np.int64)


def _real_labels(labels: tuple[Label, ...], lines: tuple[int, ...] | None) -> np.ndarray:
    """Labels [N], or [N, values] where each is a list."""
    known = [number_of_text(label) if isinstance(label, str) else label for label in labels]
    for place, label in enumerate(known):
        if isinstance(label, str) or _length(label) != _length(known[0]):
            raise Refused(
                "The label of {item} is {got}, but the network answers with real numbers: give such, "
                "as many for each text.",
                item=text_at(place, lines),
                got=shortened(list(label) if isinstance(label, tuple) else label),
            )
    return np.array(known, dtype=np.float32)


def _length(label: Label) -> int:
    """How many numbers a label is; 0 where it is no list."""
    return len(label) if isinstance(label, tuple) else 0
