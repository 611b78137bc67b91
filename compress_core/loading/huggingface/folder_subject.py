"""A folder as the Hugging Face libraries save it becomes a subject: nothing of it is run, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, RunLimits, check_scores
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.fitting_weights import refuse_other_shapes
from compress_core.loading.huggingface.fitted_weights import (
    fitted_weights,
    parted_twins,
    refuse_large_buffers,
    taking,
)
from compress_core.loading.huggingface.folder_items import items_and_form
from compress_core.loading.huggingface.folder_work import refuse_too_much_work
from compress_core.loading.huggingface.model_types import Head
from compress_core.loading.huggingface.opened_folder import OpenedFolder, task_of_folder
from compress_core.loading.huggingface.word_pieces import (
    Tokenized,
)
from compress_core.loading.items import Items
from compress_core.loading.network_sources.transformers import (
    library_config,
    plain_network,
    transformers,
    turned_weights,
)
from compress_core.loading.text_items import TextItems
from compress_core.loading.user_model import subject_from_network, with_remarks
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import InputForm
from compress_core.subject.item_words import word_of
from compress_core.subject.reading_remarks import ReadingRemarks, in_a_row
from compress_core.subject.subject import Subject

SOURCE = transformers.__name__
"""The source of networks that builds them."""
_AT_EACH_WORD = {Head.TAGS, Head.NEXT_WORD, Head.HIDDEN_WORD}


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
    given, form = items_and_form(folder, items, length, asked)
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
        summary=_summary(folder, form),
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


def _words_as_classes(form: InputForm) -> tuple[str, ...] | None:
    """The words as the classes of a network that answers with one of them, each under a name of its own."""
    if not form.words:
        return None
    seen: set[str] = set()
    names = []
    for number in range(len(form.words)):
        shown = word_of(form.words, number).strip()
        names.append(f"{shown} ({number})" if shown in seen else shown)
        seen.add(shown)
    return tuple(names)


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


def _summary(folder: OpenedFolder, form: InputForm) -> str:
    said: list[str] = [
        Phrase("{architecture} of a Hugging Face folder.", architecture=folder.config.architecture)
    ]
    if form.is_text:
        said.append(Phrase("A text has up to {length:,} tokens.", length=form.fields[0].width))
    if folder.pooling is not None:
        said.append(Phrase("Its answer is the mean of the vectors of the words."))
    return in_a_row(said)
