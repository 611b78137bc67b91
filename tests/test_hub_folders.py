"""Folders of the Hugging Face libraries answer what the libraries answer, or are refused."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import compress_core
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.huggingface.config_file import read_config
from compress_core.loading.huggingface.fitted_weights import refuse_large_buffers
from compress_core.loading.huggingface.folder_files import folder_on_disk
from compress_core.loading.huggingface.model_types import MODEL_TYPES
from compress_core.loading.huggingface.opened_folder import open_folder
from compress_core.loading.huggingface.word_pieces import WordPieces
from compress_core.loading.named import content_of_file
from compress_core.loading.text_items import texts_in, texts_in_lines
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.explain.asked_place import asked_places
from compress_core.network.named_inputs import inputs_by_name
from compress_core.recipe.reading import parse_recipe
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.item_words import item_words
from compress_core.subject.judged_rows import NOT_COUNTED
from compress_core.subject.subject import Subject
from tests.hub_folders import (
    CLASSES,
    TEXTS,
    WORDS,
    change_config,
    lines_of,
    network_of,
    save_folder,
    tokenizers,
    transformers,
)

OF_TEXT = ("Bert", "Roberta", "DistilBert", "GPT2", "Llama", "Mistral", "Qwen2")
OF_PICTURES = ("ViT", "ResNet", "ConvNext", "MobileNetV2")
LABELS = [1, 0, 2, 1, 0, 1, 0, 2]


@torch.no_grad()
def library_answers(network: nn.Module, subject: Subject, answer: str = "logits") -> Tensor:
    """What the library's own network answers to the items of a subject."""
    inputs = subject.split("validation").inputs
    given = inputs_by_name(subject.input.fields, inputs) if subject.input.fields else {"pixel_values": inputs}
    found: Tensor = network(**given)[answer]
    return found


def answers(subject: Subject) -> np.ndarray:
    return predict(Model.original(subject), subject.split("validation"), Store()).logits


def kind_of_tokenizer(name: str) -> str:
    return "bytes" if name in {"GPT2", "Roberta"} else "pieces"


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TEXT)
def test_a_network_of_words_answers_as_the_library_does(name: str, tmp_path: Path) -> None:
    network = save_folder(
        tmp_path / "net", f"{name}ForSequenceClassification", tokenizer=kind_of_tokenizer(name)
    )
    subject = compress_core.load(tmp_path / "net", TEXTS, LABELS)
    expected = library_answers(network, subject)
    assert float(expected.std(0).min()) > 1e-3, "the texts must be told apart"
    np.testing.assert_allclose(answers(subject), expected, atol=2e-6, rtol=1e-5)
    assert subject.classes == CLASSES
    assert subject.title == "net"
    assert len(subject.layers) > 8
    assert not subject.locked


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_network_of_pictures_answers_as_the_library_does(name: str, tmp_path: Path) -> None:
    network = save_folder(tmp_path, f"{name}ForImageClassification")
    side = 16 if name == "ViT" else 32
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(
            {"size": {"height": side, "width": side}, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5] * 3}
        )
    )
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, side, side)).astype(np.uint8)
    subject = compress_core.load(tmp_path, pixels)
    taken = (pixels / 255 - np.array([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    np.testing.assert_allclose(subject.split("validation").inputs, taken, atol=1e-6)
    expected = library_answers(network, subject)
    np.testing.assert_allclose(answers(subject), expected, rtol=1e-5, atol=1e-6)
    assert subject.classes == CLASSES


HEADS: list[tuple[str, AnswerKind, str]] = [
    ("BertForTokenClassification", AnswerKind.TOKEN_SCORES, "logits"),
    ("BertForMaskedLM", AnswerKind.TOKEN_SCORES, "logits"),
    ("RobertaForMaskedLM", AnswerKind.TOKEN_SCORES, "logits"),
    ("DistilBertForMaskedLM", AnswerKind.TOKEN_SCORES, "logits"),
    ("GPT2LMHeadModel", AnswerKind.TOKEN_SCORES, "logits"),
    ("LlamaForCausalLM", AnswerKind.TOKEN_SCORES, "logits"),
    ("Qwen2ForCausalLM", AnswerKind.TOKEN_SCORES, "logits"),
    ("ViTModel", AnswerKind.VECTORS, "pooler_output"),
]


@pytest.mark.parametrize(("architecture", "kind", "answer"), HEADS)
def test_other_heads_answer_as_the_library_does(
    architecture: str, kind: AnswerKind, answer: str, tmp_path: Path
) -> None:
    name = next(name for name in (*OF_TEXT, *OF_PICTURES) if architecture.startswith(name))
    network = save_folder(tmp_path, architecture, tokenizer=kind_of_tokenizer(name))
    pixels = np.random.default_rng(0).random((8, 3, 16, 16)).astype(np.float32)
    subject = compress_core.load(tmp_path, pixels if name == "ViT" else TEXTS)
    assert subject.answers is kind
    with torch.no_grad():
        found = subject.network(subject.split("validation").inputs)
    torch.testing.assert_close(found, library_answers(network, subject, answer), atol=2e-6, rtol=1e-5)


WITH_A_HEAD_FOR_WORDS = [
    ("BertForMaskedLM", "cls.predictions.decoder.weight"),
    ("RobertaForMaskedLM", "lm_head.decoder.weight"),
    ("RobertaForMaskedLM", "lm_head.decoder.bias"),
    ("DistilBertForMaskedLM", "vocab_projector.weight"),
    ("GPT2LMHeadModel", "lm_head.weight"),
    ("LlamaForCausalLM", "lm_head.weight"),
]


@pytest.mark.parametrize(("architecture", "head"), WITH_A_HEAD_FOR_WORDS)
def test_a_head_of_its_own_in_the_file_is_taken_whatever_the_config_says(
    architecture: str, head: str, tmp_path: Path
) -> None:
    name = next(name for name in OF_TEXT if architecture.startswith(name))
    tied = save_folder(
        tmp_path, architecture, tokenizer=kind_of_tokenizer(name), tie_word_embeddings=True
    ).state_dict()
    torch.manual_seed(5)
    own = {key: tensor.clone() for key, tensor in tied.items()}
    own[head] = torch.randn(own[head].shape)
    save_file(own, tmp_path / "model.safetensors", {"format": "pt"})
    library = getattr(transformers, architecture).from_pretrained(tmp_path).eval()
    assert torch.equal(library.get_parameter(head), own[head]), "as the library takes it"
    subject = compress_core.load(tmp_path, TEXTS)
    with torch.no_grad():
        found = subject.network(subject.split("validation").inputs)
    torch.testing.assert_close(found, library_answers(library, subject), atol=2e-5, rtol=1e-5)
    assert any(head in str(said) and "differ" in str(said) for said in subject.warnings)


def test_two_names_for_one_weight_are_one_where_the_file_holds_it_twice(tmp_path: Path) -> None:
    network = save_folder(tmp_path, "GPT2LMHeadModel", tokenizer="bytes")
    twice = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    save_file(twice, tmp_path / "model.safetensors", {"format": "pt"})
    subject = compress_core.load(tmp_path, TEXTS)
    assert not subject.warnings
    assert len({id(p) for p in subject.network.parameters()}) == len(list(network.parameters()))


def test_a_language_model_is_asked_for_the_next_word_and_its_classes_are_the_words(tmp_path: Path) -> None:
    save_folder(tmp_path, "GPT2LMHeadModel", tokenizer="bytes")
    subject = compress_core.load(tmp_path, TEXTS)
    given = inputs_by_name(subject.input.fields, subject.split("validation").inputs)
    labels = subject.split("validation").labels
    assert labels is not None
    there = given["attention_mask"][:, 1:] == 1
    assert torch.equal(labels[:, :-1][there], given["input_ids"][:, 1:][there])
    assert bool((labels[:, :-1][~there] == NOT_COUNTED).all())
    number = int(given["input_ids"][0, 2])
    word = subject.input.words[number].strip()
    assert subject.classes[number] in {word, f"{word} ({number})"}
    assert len(set(subject.classes)) == len(subject.classes) == WORDS
    places = asked_places(subject, subject.split("validation"))
    assert places is not None
    assert places.tolist() == (given["attention_mask"].sum(1) - 2).clamp(min=0).tolist()


def test_lists_as_labels_are_those_of_many_labels(tmp_path: Path) -> None:
    save_folder(
        tmp_path,
        "BertForSequenceClassification",
        tokenizer="pieces",
        problem_type="multi_label_classification",
    )
    lists = [[place % 2, 1, 0] for place in range(len(TEXTS))]
    for items in (lines_of(tmp_path, lists), TEXTS):
        subject = compress_core.load(tmp_path, items, lists if items is TEXTS else None)
        assert subject.answers is AnswerKind.LABEL_SCORES
        assert subject.split("validation").labels.tolist() == lists  # type: ignore[union-attr]
    for wrong in ([0, 1], [0, 1, 2], 1, "good"):
        with pytest.raises(Refused, match="says of each of 3 labels whether it holds"):
            compress_core.load(tmp_path, TEXTS, [wrong] * len(TEXTS))


@pytest.mark.parametrize(
    ("architecture", "task", "says"),
    [
        ("BertForTokenClassification", None, "needs a label for each place"),
        ("BertForMaskedLM", None, "needs a label for each place"),
        ("GPT2LMHeadModel", None, "takes the next words as labels"),
        ("GPT2LMHeadModel", "tokens", "needs a label for each place"),
    ],
)
def test_labels_of_texts_are_not_dropped(architecture: str, task: Any, says: str, tmp_path: Path) -> None:
    name = next(name for name in OF_TEXT if architecture.startswith(name))
    save_folder(tmp_path, architecture, tokenizer=kind_of_tokenizer(name))
    with pytest.raises(Refused, match=says):
        compress_core.load(tmp_path, lines_of(tmp_path, LABELS), task=task)


@pytest.mark.parametrize(
    ("ids", "mask", "says"),
    [
        (5.7, 1, "input_ids holds 5.7, but the network takes whole numbers"),
        (5, 0.5, "attention_mask holds 0.5, but the network takes whole numbers"),
        (WORDS + 7, 1, f"input_ids go up to {WORDS + 7}, but the vocabulary of net has {WORDS} words"),
    ],
)
def test_numbers_of_words_are_whole_and_those_of_the_vocabulary(
    ids: float, mask: float, says: str, tmp_path: Path
) -> None:
    save_folder(tmp_path / "net", "BertForSequenceClassification")
    rows = {"input_ids": np.full((6, 5), ids), "attention_mask": np.full((6, 5), mask)}
    with pytest.raises(Refused, match=says):
        compress_core.load(tmp_path / "net", rows, [0, 1] * 3)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", ["Bert", "Llama"])
def test_a_folder_of_sentence_transformers_gives_the_mean_of_the_words(
    name: str, normalized: bool, tmp_path: Path
) -> None:
    network = save_folder(tmp_path, f"{name}Model", tokenizer="pieces")
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalized else [])]
    modules = [{"idx": at, "type": f"sentence_transformers.models.{kind}"} for at, kind in enumerate(kinds)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    pooling = tmp_path / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}))
    subject = compress_core.load(tmp_path, TEXTS)
    given = inputs_by_name(subject.input.fields, subject.split("validation").inputs)
    with torch.no_grad():
        words = network(**given).last_hidden_state
    expected = torch.stack(
        [row[mask == 1].mean(0) for row, mask in zip(words, given["attention_mask"], strict=True)]
    )
    expected = expected / expected.norm(dim=1, keepdim=True) if normalized else expected
    np.testing.assert_allclose(answers(subject), expected, atol=2e-6)
    assert subject.answers is AnswerKind.VECTORS
    assert not any("pooler" in parameter for parameter, _ in subject.network.named_parameters())
    with pytest.raises(Refused, match="at its largest there"):
        compress_core.explain(subject, "saliency", items=2)
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(Refused, match="asks for"):
        compress_core.load(tmp_path, TEXTS)
    modules.append({"idx": 3, "type": "sentence_transformers.models.Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(Refused, match=r"modules\.json asks for"):
        compress_core.load(tmp_path, TEXTS)


def test_one_class_and_many_labels_are_other_tasks(own: Path) -> None:
    change_config(own, problem_type="multi_label_classification")
    assert compress_core.load(own, TEXTS).answers is AnswerKind.LABEL_SCORES
    save_folder(own, "BertForSequenceClassification", id2label={0: "score"}, label2id={"score": 0})
    subject = compress_core.load(own, TEXTS, [0.5] * len(TEXTS))
    assert subject.answers is AnswerKind.VALUES
    with pytest.raises(Refused, match="answers with real numbers"):
        compress_core.load(own, TEXTS, ["good"] * len(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["GPT2LMHeadModel", "BertForTokenClassification"])
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_words_of_every_head_are_explained(architecture: str, method: str, tmp_path: Path) -> None:
    save_folder(tmp_path, architecture, tokenizer="bytes" if "GPT2" in architecture else "pieces")
    subject = compress_core.load(tmp_path, TEXTS)
    found = compress_core.explain(subject, method, items=4).found.explanation
    assert np.isfinite(found.before).all()
    assert found.place_before.endswith(("wte", "word_embeddings"))
    assert found.noise["spearman"].median() > found.chance("spearman").median
    if method == "integrated_gradients":
        assert found.items["gap_before"].max() < 0.02


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "sentiment"
    save_folder(folder, "BertForSequenceClassification", tokenizer="pieces")
    return folder


@pytest.fixture
def own(bert: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(bert, tmp_path / "net"))


def test_nothing_is_fetched(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something asked the network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(compress_core.load(bert, TEXTS).split("validation")) == len(TEXTS)


def test_texts_become_the_numbers_that_the_tokenizer_gives(bert: Path) -> None:
    subject = compress_core.load(bert, TEXTS)
    tokenizer = tokenizers.Tokenizer.from_file(str(bert / "tokenizer.json"))
    given = inputs_by_name(subject.input.fields, subject.split("validation").inputs)
    for place, text in enumerate(TEXTS):
        ids = tokenizer.encode(text).ids
        assert given["input_ids"][place, : len(ids)].tolist() == ids
        assert not given["input_ids"][place, len(ids) :].any(), "the blank word is number 0 here"
        assert int(given["attention_mask"][place].sum()) == len(ids)
    words = item_words(subject.input, subject.split("validation").inputs[0])
    assert words.said.replace("[CLS]", "").replace("[SEP]", "").split() == TEXTS[0].split()
    (ids_field, _) = subject.input.fields
    assert (ids_field.values, ids_field.blank, ids_field.cover) == (WORDS, 0, 4)


def test_byte_pairs_show_their_words(tmp_path: Path) -> None:
    save_folder(tmp_path, "GPT2ForSequenceClassification", tokenizer="bytes")
    subject = compress_core.load(tmp_path, TEXTS)
    assert item_words(subject.input, subject.split("validation").inputs[1]).said == TEXTS[1]


def test_a_token_of_a_space_is_a_visible_mark_and_a_space_in_the_text(tmp_path: Path) -> None:
    save_folder(tmp_path, "GPT2ForSequenceClassification", tokenizer="bytes")
    subject = compress_core.load(tmp_path, ["very  good film", *TEXTS])
    words = item_words(subject.input, subject.split("validation").inputs[0])
    assert "␣" in words.texts
    assert words.said == "very  good film"


def test_tokens_of_bytes_are_the_text_that_they_stand_for() -> None:
    signs = ["Ġ", "Ċ", "ĠcafÃ©", "Ã", "ä½ł", "good"]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({sign: n for n, sign in enumerate(signs)}, []))
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<é>"])
    assert WordPieces(made, 0, None, 8).words(7) == (" ", "\n", " café", r"\xc3", "你", "good", "<é>")


def test_the_length_of_a_text_is_one_number(bert: Path) -> None:
    with pytest.raises(
        Refused, match=r"reads texts, whose shape is their length in tokens, but got \[3, 8, 8\]"
    ):
        compress_core.load(bert, TEXTS, LABELS, input_shape=(3, 8, 8))


def test_long_texts_are_cut_off_and_that_is_said(bert: Path) -> None:
    subject = compress_core.load(bert, [*TEXTS, "good " * 100], input_shape=(6,))
    assert subject.input.fields[0].width == 6
    assert "of 9 texts are longer than 6 tokens and were cut off" in str(subject.summary)
    one = compress_core.load(bert, ["good", "good " * 100])
    assert "1 of 2 texts is longer than 40 tokens and was cut off" in one.summary
    assert [said for said in subject.remarks.sentences if "were cut off" in said], "commands print these"
    assert int(subject.split("validation").inputs[-1, 5]) == 3, "the last word says that the text ends"
    alone = compress_core.load(bert, ["good " * 100])
    assert alone.input.fields[0].width == 40, "as many words as the network has places for"
    with pytest.raises(Refused, match="may have 1 to 40 tokens for this network, but 41 were asked for"):
        compress_core.load(bert, TEXTS, input_shape=(41,))


def test_pairs_of_texts_tell_which_is_which(bert: Path, tmp_path: Path) -> None:
    lines = [{"sentence1": text, "sentence2": TEXTS[0]} for text in TEXTS]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    subject = compress_core.load(bert, path)
    assert [field.name for field in subject.input.fields] == ["input_ids", "attention_mask", "token_type_ids"]
    expected = library_answers(network_of("BertForSequenceClassification"), subject)
    np.testing.assert_allclose(answers(subject), expected, atol=1e-6)


@pytest.mark.slow
def test_labels_are_named_or_numbered(bert: Path, tmp_path: Path) -> None:
    named = compress_core.load(bert, lines_of(tmp_path, [CLASSES[label] for label in LABELS]))
    numbered = compress_core.load(bert, lines_of(tmp_path, LABELS))
    assert named.split("validation").labels.tolist() == LABELS  # type: ignore[union-attr]  # has labels
    assert numbered.split("validation").labels.tolist() == LABELS  # type: ignore[union-attr]  # has labels
    assert compress_core.load(bert, lines_of(tmp_path, None)).split("validation").labels is None
    for wrong in ("superb", 3, -1, 0.5):
        with pytest.raises(Refused, match=r"The label of the text in line 8 is .* none of the classes"):
            compress_core.load(bert, lines_of(tmp_path, [*LABELS[1:], wrong]))


def test_labels_may_be_numbers_in_quotes_or_true_and_false(bert: Path, tmp_path: Path) -> None:
    numbered = compress_core.load(bert, lines_of(tmp_path, LABELS)).split("validation").labels
    quoted = compress_core.load(bert, lines_of(tmp_path, [str(label) for label in LABELS]))
    torch.testing.assert_close(quoted.split("validation").labels, numbered)
    told = compress_core.load(bert, lines_of(tmp_path, [bool(label) for label in LABELS]))
    torch.testing.assert_close(
        told.split("validation").labels, torch.tensor([int(bool(label)) for label in LABELS])
    )
    save_folder(tmp_path, "BertForSequenceClassification", tokenizer="pieces", num_labels=1)
    table = tmp_path / "texts.csv"
    table.write_text("text,label\ngood,0.5\nbad,-2\n", encoding="utf-8")
    labels = compress_core.load(tmp_path, table, task="regression").split("validation").labels
    assert labels is not None
    assert labels.flatten().tolist() == [0.5, -2]


def test_a_label_is_told_by_the_line_of_its_file_or_its_place_in_a_list(bert: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart.jsonl"
    apart.write_text('{"text": "good film", "label": 0}\n\n{"text": "bad", "label": "superb"}')
    with pytest.raises(Refused, match="The label of the text in line 3 is 'superb', which is none of"):
        compress_core.load(bert, apart)
    with pytest.raises(Refused, match="The label of text 1, counted from 0, is 7, which is none of"):
        compress_core.load(bert, ["good film", "bad"], [0, 7])
    for task, labels in (("labels", [[0, 1, 0], [0, 1, 2]]), ("regression", [[0.5], [0.5, 1]])):
        rows = ({"text": "good", "label": label} for label in labels)
        apart.write_text("\n\n".join(map(json.dumps, rows)))
        with pytest.raises(Refused, match="The label of the text in line 3 is"):
            compress_core.load(bert, apart, task=task)  # type: ignore[arg-type]  # the name of a task


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"text": "a"}\n{"text": 3}', "Line 2 has 3 as its text"),
        (b'{"text": "a"}\n[1]', "Line 2 of x.jsonl is .* write one object a line"),
        (b'{"text": "a"}\n{"text": "b"', "Line 2 of x.jsonl is no JSON"),
        (b'{"text": "a", "text": "b"}', "stands twice"),
        (b'{"text": "a", "label": 1}\n{"text": "b"}', "Line 2 of x.jsonl has no label, and others have one"),
        (b'{"text": "a", "label": {"a": 1}}', "The label of the text in line 1 is"),
        (b'\n{"text": "a", "label": 1}\n\n{"text": "b"}', "Line 4 of x.jsonl has no label"),
        (b'\n\n{"text": "a", "label": [1, "a"]}', "The label of the text in line 3 is"),
        (b'\n{"text": 3}', "Line 2 has 3 as its text"),
        (b'{"text": "   "}', "a text with something in it"),
        (b"", r"x.jsonl is empty \(0 bytes\)"),
        (b'{"text": "' + b"a" * 100_001 + b'"}', "at most 100,000 characters each"),
        (b"\xff\xfe", "x.jsonl is in UTF-16"),
    ],
)
def test_lines_that_are_no_texts_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        texts_in_lines(content, "x.jsonl")


@pytest.mark.parametrize("label", ["name", "number", "none"])
def test_a_table_of_texts_is_read_like_lines(label: str, bert: Path, tmp_path: Path) -> None:
    said = {"name": [CLASSES[at] for at in LABELS], "number": LABELS, "none": None}[label]
    path = tmp_path / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", *([] if said is None else ["label"])])
        rows.writerows([text, *([] if said is None else [said[at]])] for at, text in enumerate(TEXTS))
    table = compress_core.load(bert, path).split("validation")
    lines = compress_core.load(bert, lines_of(tmp_path, said)).split("validation")
    assert torch.equal(table.inputs, lines.inputs)
    assert (table.labels is None) is (said is None)
    assert said is None or torch.equal(table.labels, lines.labels)  # type: ignore[arg-type]  # both have them


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2", "one must be called text or sentence or sentence1"),
        (b"\xff\xfea", "x.csv is in UTF-16, and UTF-8 is read"),
        (b"\xffa", "no table of texts in UTF-8"),
        (b'text\n"open', "no table of texts in UTF-8"),
        (b"text,label\ngood,\nbad,1", "Line 2 of x.csv has no label"),
        (b'text,label\n\n"good\nindeed",1\n\nbad,\n', "Line 6 of x.csv has no label"),
        (b"text,label\n\n ,1", "Line 3 has ' ' as its text"),
        (b"text,label\n ,1", "a text with something in it"),
        (b"text", "There must be 1 to 200,000 texts"),
        (b"", r"x.csv is empty \(0 bytes\)"),
        (b"a,b", "x.csv has the columns"),
    ],
)
def test_tables_that_hold_no_texts_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        texts_in(content, "x.csv")


def test_texts_are_for_folders_alone(tmp_path: Path, bert: Path) -> None:
    with pytest.raises(Refused, match="lenet5 reads no text"):
        compress_core.load("lenet5", TEXTS)
    with pytest.raises(Refused, match="Linear reads no text"):
        compress_core.load(nn.Linear(2, 2), TEXTS)
    (tmp_path / "net").mkdir()
    save_folder(tmp_path / "net", "ResNetForImageClassification")
    with pytest.raises(Refused, match="looks at pictures and reads no texts"):
        compress_core.load(tmp_path / "net", TEXTS)
    with pytest.raises(Refused, match="reads words: give texts"):
        compress_core.load(bert, np.zeros((4, 6), np.float32))


def test_numbers_of_words_do_without_a_tokenizer(own: Path) -> None:
    (own / "tokenizer.json").unlink()
    ids = np.random.default_rng(1).integers(5, WORDS, (6, 9))
    subject = compress_core.load(own, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    expected = library_answers(network_of("BertForSequenceClassification"), subject)
    np.testing.assert_allclose(answers(subject), expected, atol=1e-6)
    assert subject.input.fields[0].values == WORDS
    with pytest.raises(Refused, match=r"has no tokenizer\.json"):
        compress_core.load(own, TEXTS)


def test_a_plain_list_of_words_will_do_as_a_tokenizer(own: Path) -> None:
    known = compress_core.load(own, TEXTS)
    vocabulary = tokenizers.Tokenizer.from_file(str(own / "tokenizer.json")).get_vocab()
    (own / "tokenizer.json").unlink()
    (own / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    assert torch.equal(
        compress_core.load(own, TEXTS).split("validation").inputs, known.split("validation").inputs
    )


def test_another_process_builds_the_same_network(bert: Path) -> None:
    subject = compress_core.load(bert, TEXTS, LABELS)
    again = read_bundle(bundle_of(subject))
    assert again.key == subject.key
    assert again.input == subject.input
    assert np.array_equal(answers(again), answers(subject))


ATTENTION = {"Bert": "*.query", "GPT2": "*.c_attn"}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ATTENTION))
def test_it_is_compressed_like_any_other(name: str, tmp_path: Path) -> None:
    save_folder(tmp_path, f"{name}ForSequenceClassification", tokenizer=kind_of_tokenizer(name))
    subject = compress_core.load(tmp_path, TEXTS * 30)
    steps = [{"technique": "wanda", "sparsity": 0.5}, {"technique": "uniform", "bits": 8}]
    rules = [
        {"match": ATTENTION[name], "steps": steps},
        {"match": "*", "steps": [{"technique": "uniform", "bits": 8}]},
    ]
    model = compress(subject, parse_recipe({"layers": rules}), Store())
    assert model.file_bytes < 0.6 * Model.original(subject).file_bytes
    moved = np.abs(predict(model, subject.split("validation"), Store()).logits - answers(subject)).max()
    assert 0 < moved < 1


@pytest.mark.slow
def test_several_files_and_16_bits_are_the_same_network(own: Path) -> None:
    known, state = answers(compress_core.load(own, TEXTS)), load_file(own / "model.safetensors")
    (own / "model.safetensors").unlink()
    names = sorted(state)
    parts = {f"model-0000{at}-of-00002.safetensors": names[at - 1 :: 2] for at in (1, 2)}
    for file, held in parts.items():
        save_file({name: state[name] for name in held}, own / file)
    places = {name: file for file, held in parts.items() for name in held}
    index = own / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    assert np.array_equal(answers(compress_core.load(own, TEXTS)), known)
    index.unlink()
    save_file({name: tensor.bfloat16() for name, tensor in state.items()}, own / "model.safetensors")
    for file in parts:
        (own / file).unlink()
    half = compress_core.load(own, TEXTS)
    assert set(half.came_as.values()) == {torch.bfloat16}
    np.testing.assert_allclose(answers(half), known, atol=0.05)


def test_older_names_of_weights_are_known(own: Path) -> None:
    known, state = answers(compress_core.load(own, TEXTS)), load_file(own / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in state.items()
    }
    assert old.keys() != state.keys()
    old["bert.embeddings.position_ids"] = torch.arange(40)[None]
    save_file(old, own / "model.safetensors")
    assert np.array_equal(answers(compress_core.load(own, TEXTS)), known)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"auto_map": {"AutoModel": "modeling.Evil"}}, "asks for code of its own"),
    ({"trust_remote_code": True}, "asks for code of its own"),
    ({"model_type": "t5"}, "has the model type 't5'; types that are read are bert"),
    ({"model_type": ["bert"]}, "types that are read"),
    ({"architectures": ["BertForQuestionAnswering"]}, "names the architecture 'BertForQuestionAnswering'"),
    ({"architectures": ["os.system"]}, "names the architecture"),
    ({"architectures": ["GPT2ForSequenceClassification"]}, "names the architecture"),
    ({"hidden_size": 2**40}, "hidden_size of config.json is 1099511627776"),
    ({"hidden_size": -1}, "hidden_size of config.json is -1"),
    ({"hidden_size": "16"}, "hidden_size of config.json is '16'"),
    ({"hidden_size": True}, "hidden_size of config.json is True"),
    ({"num_hidden_layers": 10**6}, "num_hidden_layers of config.json"),
    ({"num_attention_heads": 0}, "num_attention_heads of config.json"),
    ({"num_attention_heads": 3}, "make no network"),
    ({"vocab_size": 2**31}, "vocab_size of config.json"),
    ({"max_position_embeddings": 2**31}, "max_position_embeddings of config.json"),
    ({"hidden_act": "__import__('os')"}, "hidden_act of config.json"),
    ({"layer_norm_eps": 1e9}, "layer_norm_eps of config.json"),
    ({"num_hidden_layers": 200}, "is missing"),
    ({"vocab_size": 2**20}, "has shape"),
    ({"is_decoder": True}, "sets is_decoder to True"),
    ({"chunk_size_feed_forward": 3}, "sets chunk_size_feed_forward to 3"),
    ({"quantization_config": {"bits": 4}}, "has quantization_config"),
    ({"id2label": {"0": "a", "7": "b"}}, "must name 1 to 10,000 classes"),
    ({"id2label": {str(n): "x" for n in range(10_001)}}, "must name 1 to 10,000 classes"),
    ({"id2label": "many"}, "must name 1 to 10,000 classes"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES, ids=[str(change)[:50] for change, _ in CHANGES])
def test_a_hostile_config_is_refused(change: dict[str, Any], says: str, own: Path) -> None:
    change_config(own, **change)
    with pytest.raises(Refused, match=says):
        compress_core.load(own, TEXTS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"model_type": "bert", "model_type": "gpt2"}', "stands twice"),
        (b"[" * 100_000, "no JSON"),
        (b'{"model_type": "bert", "layer_norm_eps": NaN}', "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "must hold an object"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_a_config_that_is_no_plain_object_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        read_config(content, "net")


def test_a_small_file_makes_no_large_network(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of 32,768: the numbers are within bounds, and the weights are not there."""
    change_config(own, hidden_size=2**15, intermediate_size=2**15, num_attention_heads=8)
    made: list[int] = []
    real = torch.nn.init.kaiming_uniform_

    def noting(tensor: Tensor, *given: Any, **named: Any) -> Tensor:
        made.append(0 if tensor.is_meta else tensor.numel())
        return real(tensor, *given, **named)

    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", noting)
    with pytest.raises(Refused, match="has shape"):
        compress_core.load(own, TEXTS)
    assert not any(made), "nothing was allocated"


def test_tables_beside_the_weights_are_bounded() -> None:
    network = nn.Module()
    network.register_buffer("mask", torch.empty(2**14, 2**14, device="meta"))
    with pytest.raises(Refused, match="would hold 1,073,741,824 bytes of tables beside its weights"):
        refuse_large_buffers(network)


def test_hostile_weights_are_refused(own: Path, tmp_path: Path) -> None:
    (own / "model.safetensors").unlink()
    for place in ("../net/evil.safetensors", "/etc/passwd", "evil.pt.exe"):
        index = {"weight_map": {"a": place}}
        (own / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(Refused, match="leads to"):
            compress_core.load(own, TEXTS)
    (own / "model.safetensors.index.json").unlink()
    mark = tmp_path / "ran"
    (own / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil(str(mark))))
    with pytest.raises(Refused):
        compress_core.load(own, TEXTS)
    torch.save({"a.weight": _Evil(str(mark))}, own / "pytorch_model.bin")
    with pytest.raises(Refused):
        compress_core.load(own, TEXTS)
    assert not mark.exists()


class _Evil:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.mark, "w")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{}", r"tokenizer\.json is no tokenizer"),
        ("[" * 50_000, r"tokenizer\.json is no tokenizer"),
        ("\x00\x00", r"tokenizer\.json is no tokenizer"),
    ],
)
def test_a_tokenizer_that_is_none_is_refused(content: str, says: str, own: Path) -> None:
    (own / "tokenizer.json").write_text(content)
    with pytest.raises(Refused, match=says):
        compress_core.load(own, TEXTS)


def test_a_tokenizer_of_another_network_is_refused(own: Path) -> None:
    content = json.loads((own / "tokenizer.json").read_text())
    content["model"]["vocab"]["far"] = WORDS + 5
    (own / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(Refused, match=f"words up to number {WORDS + 5}, but the network reads {WORDS}"):
        compress_core.load(own, TEXTS)


def test_code_beside_a_tokenizer_is_not_looked_at(own: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (own / "tokenization_evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    said = json.loads((own / "tokenizer_config.json").read_text())
    said["auto_map"] = {"AutoTokenizer": ["tokenization_evil.Evil", None]}
    (own / "tokenizer_config.json").write_text(json.dumps(said))
    assert len(compress_core.load(own, TEXTS).split("validation")) == len(TEXTS)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("said", "shape"),
    [
        ({"size": 20}, (20, 20)),
        ({"size": {"height": 24, "width": 20}}, (24, 20)),
        (
            {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 28}, "do_center_crop": True},
            (32, 28),
        ),
        ({"size": {"shortest_edge": 40}, "crop_pct": 0.9}, (40, 40)),
        ({}, (224, 224)),
    ],
)
def test_the_size_of_pictures_is_read(said: dict[str, Any], shape: tuple[int, int], tmp_path: Path) -> None:
    save_folder(tmp_path, "ResNetForImageClassification")
    if said:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    form = open_folder(folder_on_disk(tmp_path, content_of_file)).picture
    assert form is not None
    assert form.shape == (3, *shape)
    assert form.mean == ((0.5,) * 3 if said else (0.0,) * 3)


@pytest.mark.parametrize(
    "said",
    [
        {"size": 10**9}, {"size": "big"}, {"size": {"longest_edge": 3}}, {"image_mean": [0.1]},
        {"image_std": [0, 1, 1]}, {"rescale_factor": 2.0}, {"do_rescale": False}, {"image_mean": "x"},
    ],
)  # fmt: skip
def test_pictures_that_are_prepared_otherwise_are_refused(said: dict[str, Any], tmp_path: Path) -> None:
    save_folder(tmp_path, "ResNetForImageClassification")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(Refused, match=r"preprocessor_config\.json has"):
        open_folder(folder_on_disk(tmp_path, content_of_file))


def test_every_type_has_heads_of_the_library() -> None:
    import transformers

    for name, kind in MODEL_TYPES.items():
        assert getattr(transformers, f"{kind.classes}Config").model_type == name
        for architecture in kind.heads:
            assert getattr(transformers, architecture).base_model_prefix == kind.base, architecture


def test_without_the_extra_a_sentence_says_what_to_install(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name.startswith("transformers"):
            raise ImportError("No module named 'transformers'")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(Refused, match=r"pip install 'slimscope\[huggingface\]'"):
        compress_core.load(
            bert, {"input_ids": np.ones((2, 3), np.int64), "attention_mask": np.ones((2, 3), np.int64)}
        )
