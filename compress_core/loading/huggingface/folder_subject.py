"""A folder as the Hugging Face libraries save it becomes a subject: nothing of it is run, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import N_, Phrase
from compress_core.foundation.workspace.json_text import Json
from compress_core.loading.allowance import ON_OWN_MACHINE, RunLimits, check_scores
from compress_core.loading.asked_answers import TaskName, asked_of
from compress_core.loading.fitting_weights import refuse_other_shapes
from compress_core.loading.huggingface.config_file import CONFIG, MOST_BYTES, FolderConfig, read_config
from compress_core.loading.huggingface.fitted_weights import (
    fitted_weights,
    parted_twins,
    refuse_large_buffers,
    taking,
)
from compress_core.loading.huggingface.folder_files import FolderFiles
from compress_core.loading.huggingface.folder_work import refuse_too_much_work
from compress_core.loading.huggingface.model_types import Head
from compress_core.loading.huggingface.picture_form import picture_form
from compress_core.loading.huggingface.pooling_folder import Pooling, pooling_of
from compress_core.loading.huggingface.word_pieces import (
    USUAL_LENGTH,
    WORD_INPUTS,
    SentPieces,
    Tokenized,
    WordPieces,
    has_tokenizer,
    read_word_pieces,
    word_fields,
)
from compress_core.loading.items import Items
from compress_core.loading.network_sources.transformers import (
    library_config,
    plain_network,
    transformers,
    turned_weights,
)
from compress_core.loading.reading_remarks import ReadingRemarks, in_a_row
from compress_core.loading.text_items import Label, TextItems
from compress_core.loading.user_model import subject_from_network, with_remarks
from compress_core.network.input_field import rows_of
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import TEXT, InputForm
from compress_core.subject.subject import Subject

SOURCE = transformers.__name__
"""The source of networks that builds them."""


@dataclass(frozen=True, eq=False)
class OpenedFolder:
    """What was read of a folder beside its weights.

    pooling: how the vectors of words become one, None for other heads; pieces: its tokenizer, None where it
    has none or reads pictures; picture: the form of its pictures, None where it reads words.
    """

    name: str
    config: FolderConfig
    pooling: Pooling | None
    pieces: WordPieces | SentPieces | None
    picture: InputForm | None

    @property
    def values(self) -> Mapping[str, Json]:
        """What another process builds the network from."""
        numbers = dict(self.config.numbers)
        if self.config.kind.is_of_words and numbers.get("pad_token_id") is None:
            numbers["pad_token_id"] = self.blank
        return {
            "model_type": self.config.model_type,
            "architecture": self.config.architecture,
            "numbers": numbers,
            "labels": len(self.config.classes),
            "pooled": self.pooling is not None,
            "normalized": self.pooling is not None and self.pooling.normalized,
        }

    @property
    def untied(self) -> OpenedFolder:
        """The same folder for a network whose words have one weight on the way in, another on the way out."""
        numbers = {**self.config.numbers, "tie_word_embeddings": False}
        return replace(self, config=replace(self.config, numbers=numbers))

    @property
    def blank(self) -> int:
        """The number that stands for no word."""
        known = self.config.numbers.get("pad_token_id")
        if self.pieces is not None:
            return self.pieces.blank
        return known if isinstance(known, int) else 0


_AT_EACH_WORD = {Head.TAGS, Head.NEXT_WORD, Head.HIDDEN_WORD}
_ANSWERS = {head: "pooler_output" if head is Head.VECTOR else "logits" for head in Head}
"""How the library calls what is judged."""


def open_folder(files: FolderFiles, sent: SentPieces | None = None) -> OpenedFolder:
    """What stands in a folder beside its weights; raises Refused for what is not read.

    sent: what another process read of its tokenizer.
    """
    if CONFIG not in files.sizes:
        raise Refused("{folder} has no config.json: save it with save_pretrained.", folder=files.name)
    config = read_config(files.read(CONFIG, MOST_BYTES), files.name)
    words = config.kind.is_of_words
    pieces = read_word_pieces(files, config) if words and has_tokenizer(files) else sent
    picture = None if words else picture_form(files, config)
    pooling = pooling_of(files) if words and config.head is Head.VECTOR else None
    return OpenedFolder(files.name, config, pooling, pieces, picture)


def folder_subject(
    folder: OpenedFolder,
    state: Mapping[str, Tensor],
    items: Items | TextItems | Tokenized | None,
    *,
    length: int | None = None,
    task: TaskName | None = None,
    allowed: RunLimits = ON_OWN_MACHINE,
) -> Subject:
    """The model of a folder with its weights and the items it is judged on; raises Refused.

    length: of a text in words, where the items are texts; task: what is asked, where it is not what
    config.json says.
    """
    _refuse_unread(folder)
    asked = task or task_of_folder(folder.config)
    given, form, remark = _items_and_form(folder, items, length, asked)
    bare = _bare_network(folder)
    fitted = fitted_weights(state, bare, folder.config, turned_weights(bare))
    two = parted_twins(fitted, bare)
    folder = folder if two is None else folder.untied
    network = _network(folder, fitted, form, allowed)
    if given is not None:
        answers = form.fields[0].width if folder.config.head in _AT_EACH_WORD else 1
        check_scores(len(given.inputs) * answers, len(folder.config.classes) or len(form.words), allowed)
    subject = subject_from_network(
        network,
        given,
        folder.name,
        form=form,
        task=asked,
        classes=folder.config.classes or _words_as_classes(form),
        summary=_summary(folder, form, remark),
        blueprint=Blueprint.of(SOURCE, folder.values),
    )
    return subject if two is None else with_remarks(subject, ReadingRemarks(warnings=(_untied(*two),)))


def _untied(first: str, second: str) -> Phrase:
    return Phrase(
        "config.json says that {first} and {second} are one weight, but the folder holds two that differ: "
        "both are taken as they are, as the library does. If they should be one, leave out the second.",
        first=first,
        second=second,
    )


_TASKS: Mapping[Head, TaskName] = {
    Head.TAGS: "tokens",
    Head.HIDDEN_WORD: "tokens",
    Head.NEXT_WORD: "next_token",
    Head.VECTOR: "embedding",
}


def task_of_folder(config: FolderConfig) -> TaskName:
    """What a network is asked, as its head and config.json say."""
    if config.head in _TASKS:
        return _TASKS[config.head]
    if config.problem == "multi_label_classification":
        return "labels"
    return "regression" if config.problem == "regression" or len(config.classes) == 1 else "classification"


def _words_as_classes(form: InputForm) -> tuple[str, ...] | None:
    """The words as the classes of a network that answers with one of them, each under a name of its own."""
    if not form.words:
        return None
    seen: set[str] = set()
    names = []
    for number, word in enumerate(form.words):
        shown = word.strip() or str(number)
        names.append(f"{shown} ({number})" if shown in seen else shown)
        seen.add(shown)
    return tuple(names)


def training_items(folder: OpenedFolder, items: Items | TextItems, subject: Subject) -> Items:
    """Items to train on as the model of a folder takes them: texts as long as those it is judged on."""
    if isinstance(items, Items):
        return items
    length = subject.input.fields[0].width if subject.input.fields else None
    found, _, _ = _items_and_form(folder, items, length, asked_of(subject))
    assert found is not None, "made of texts"
    return found


def _refuse_unread(folder: OpenedFolder) -> None:
    """What else stands in config.json must be what the network has anyway."""
    made = library_config(folder.values)
    for name, value in folder.config.unread.items():
        usual = getattr(made, name, value)
        if usual != value and not (value is None and not usual):
            raise Refused(
                "config.json sets {name} to {got}, which is not read here and would change the answers: only "
                "{usual} is built.",
                name=name[:60],
                got=shortened(value),
                usual=shortened(usual),
            )


def _bare_network(folder: OpenedFolder) -> nn.Module:
    """The network as the library has it, without memory; raises Refused where the numbers make none."""
    try:
        with torch.device("meta"):
            return plain_network(folder.values)
    except Refused:
        raise
    except Exception as error:
        raise Refused(
            "The numbers of config.json make no network ({reason}): correct them.",
            reason=" ".join(str(error).split())[:200] or type(error).__name__,
        ) from error


def _network(
    folder: OpenedFolder, fitted: dict[str, Tensor], form: InputForm, allowed: RunLimits
) -> nn.Module:
    """The network with its weights, built only when these fit it: a small file makes no large network."""
    bare = _bare_network(folder)
    with torch.device("meta"):
        shape = transformers(folder.values)
    refuse_large_buffers(shape)
    if folder.pooling is not None:
        fitted = {f"network.{key}": tensor for key, tensor in fitted.items()}
    refuse_other_shapes(shape, fitted, folder.name)
    refuse_too_much_work(bare, form, allowed)
    return taking(transformers(folder.values), fitted)


def _items_and_form(
    folder: OpenedFolder, items: Items | TextItems | Tokenized | None, length: int | None, task: TaskName
) -> tuple[Items | None, InputForm, Phrase | None]:
    """The items as the network takes them, their form, and what there is to say of what was cut off."""
    if folder.picture is not None:
        if isinstance(items, TextItems | Tokenized):
            raise Refused("{folder} looks at pictures and reads no texts: give those.", folder=folder.name)
        return items, replace(folder.picture, answer=_ANSWERS[folder.config.head]), None
    if isinstance(items, TextItems):
        return _tokenized(folder, _by_its_tokenizer(folder, items, length), task)
    if isinstance(items, Tokenized):
        return _tokenized(folder, items, task)
    if items is None:
        wide = min(folder.config.length or USUAL_LENGTH, USUAL_LENGTH) if length is None else length
        return None, _form(folder, WORD_INPUTS[:2], wide), None
    names = [field.name for field in items.fields]
    if not names or names[0] != WORD_INPUTS[0] or not set(names) <= set(WORD_INPUTS):
        raise Refused(
            "{folder} reads words: give texts (JSON lines), or arrays {known} by name, as the tokenizer "
            "gives them.",
            folder=folder.name,
            known=", ".join(WORD_INPUTS[:2]),
        )
    _refuse_beyond_vocabulary(items, folder)
    return items, _form(folder, tuple(names), items.fields[0].width), None


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


def _tokenized(
    folder: OpenedFolder, found: Tokenized, task: TaskName
) -> tuple[Items, InputForm, Phrase | None]:
    kinds = folder.config.numbers.get("type_vocab_size", 1)
    arrays = found.arrays(kinds=isinstance(kinds, int) and kinds > 1)
    form = _form(folder, tuple(arrays), found.ids.shape[1])
    rows = rows_of(form.fields, arrays).astype(np.int64)
    labels = None if found.labels is None else _numbered(folder.config, found.labels, task)
    cut = (
        Phrase(
            "{cut:,} of {texts:,} texts are longer than {length:,} words and were cut off there.",
            cut=found.cut,
            texts=len(found.ids),
            length=found.ids.shape[1],
        )
        if found.cut
        else None
    )
    return Items(rows, labels, form.fields), form, cut


def _form(folder: OpenedFolder, names: tuple[str, ...], length: int) -> InputForm:
    count = folder.config.vocabulary
    assert count is not None, "of a network that reads words"
    cover = None if folder.pieces is None else folder.pieces.cover
    words = () if folder.pieces is None else folder.pieces.words(count)
    fields = word_fields(names, length, count, folder.blank, cover)
    answer = _ANSWERS[folder.config.head] if folder.pooling is None else ""
    return InputForm(TEXT, (length * len(fields),), fields=fields, answer=answer, words=words)


def _numbered(config: FolderConfig, labels: tuple[Label, ...], task: TaskName) -> np.ndarray:
    """Labels as the numbers of classes; raises Refused for one that names none, or where none are taken."""
    match task:
        case "regression":
            return _real_labels(labels)
        case "labels":
            return _truths(config, labels)
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
    known = [numbers.get(label, label) if isinstance(label, str) else label for label in labels]
    for place, label in enumerate(known):
        if not isinstance(label, int) or not 0 <= label < len(config.classes):
            raise Refused(
                "The label of text {place} is {got}, which is none of the classes {known}: correct it.",
                place=place,
                got=shortened(labels[place]),
                known=shortened(list(config.classes)),
            )
    return np.array(known, dtype=np.int64)


_WITHOUT_LABELS: Mapping[str, str] = {
    "tokens": N_("needs a label for each place that its tokenizer makes, not one for a text"),
    "next_token": N_("takes the next words as labels"),
    "embedding": N_("answers with vectors that are compared with the original's"),
}
_INSTEAD = N_(", or give input_ids, attention_mask and labels [N, places] as .npz")


def _truths(config: FolderConfig, labels: tuple[Label, ...]) -> np.ndarray:
    """Labels [N, labels] of 0 and 1, as lists of them."""
    count = len(config.classes)
    for place, label in enumerate(labels):
        if not isinstance(label, tuple) or len(label) != count or not set(label) <= {0, 1}:
            raise Refused(
                "The label of text {place} is {got}, but the network says of each of {count} labels whether "
                "it holds: give a list of {count} numbers, 0 or 1, in the order of {known}.",
                place=place,
                got=shortened(list(label) if isinstance(label, tuple) else label),
                count=count,
                known=shortened(list(config.classes)),
            )
    return np.array(labels, dtype=np.int64)


def _real_labels(labels: tuple[Label, ...]) -> np.ndarray:
    """Labels [N], or [N, values] where each is a list."""
    for place, label in enumerate(labels):
        if isinstance(label, str) or _length(label) != _length(labels[0]):
            raise Refused(
                "The label of text {place} is {got}, but the network answers with real numbers: give such, "
                "as many for each text.",
                place=place,
                got=shortened(list(label) if isinstance(label, tuple) else label),
            )
    return np.array(labels, dtype=np.float32)


def _length(label: Label) -> int:
    """How many numbers a label is; 0 where it is no list."""
    return len(label) if isinstance(label, tuple) else 0


def _summary(folder: OpenedFolder, form: InputForm, remark: Phrase | None) -> str:
    said: list[str] = [
        Phrase("{architecture} of a Hugging Face folder.", architecture=folder.config.architecture)
    ]
    if form.is_text:
        said.append(Phrase("A text has up to {length:,} words.", length=form.fields[0].width))
    if folder.pooling is not None:
        said.append(Phrase("Its answer is the mean of the vectors of the words."))
    return in_a_row([*said, remark or ""])
