"""Networks that take several inputs by name, or whole numbers alone, and answer with more than one tensor."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.exports import export_files
from compress_core.deliver.open_border import opened
from compress_core.deliver.some_items import few_items
from compress_core.face.load_model import load
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.file_reader import FileReader
from compress_core.loading.items import Items, checked_items, read_items
from compress_core.loading.user_model import subject_from_network, with_items
from compress_core.measure.behavior.evaluate import predict
from compress_core.network.input_field import InputField, rows_of
from compress_core.network.named_inputs import border_of, inputs_by_name, row_type
from compress_core.recipe.reading import read_recipe
from compress_core.structure.groups import find_groups
from compress_core.subject.origin import Origin
from compress_core.subject.subject import Subject

WORDS, LENGTH = 40, 9
RECIPE = """
groups:
  - {match: hidden, steps: [{technique: magnitude, share_removed: 0.25}]}
layers:
  - {match: hidden, steps: [{technique: wanda, sparsity: 0.5}]}
  - {match: out, steps: [{technique: uniform, bits: 8}]}
"""


class Reader(nn.Module):
    """Words, and which of them are there; answers with scores and a feature, as models of a hub do."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 12), nn.Embedding(LENGTH, 12)
        self.hidden, self.back = nn.Linear(12, 24), nn.Linear(24, 12)
        self.out = nn.Linear(12, 3)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, scale: float = 1.0
    ) -> dict[str, Tensor | None]:
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        x = x + self.back(torch.relu(self.hidden(x)))
        there = attention_mask.unsqueeze(2).to(x.dtype)
        pooled = (x * there).sum(1) / there.sum(1) * scale
        return {"loss": None, "logits": self.out(pooled), "pooled": pooled}


def reader_network() -> Reader:
    torch.manual_seed(4)
    return Reader().eval()


def _words(items: int = 240) -> dict[str, NDArray[np.int64]]:
    drawn = np.random.default_rng(2)
    lengths = drawn.integers(3, LENGTH + 1, (items, 1))
    mask = (np.arange(LENGTH)[None] < lengths).astype(np.int64)
    return {"input_ids": drawn.integers(1, WORDS, (items, LENGTH)) * mask, "attention_mask": mask}


@torch.no_grad()
def _answers(network: nn.Module, words: dict[str, NDArray[np.int64]]) -> Tensor:
    found: Tensor = network(**{name: torch.from_numpy(values) for name, values in words.items()})["logits"]
    return found


def _reader(items: int = 240) -> Subject:
    words, network = _words(items), reader_network()
    labels = _answers(network, words).argmax(1).numpy()
    origin = Origin(f"{__name__}:reader_network", ".")
    return subject_from_network(network, checked_items(words, labels), "reader", origin=origin)


FIELDS = st.lists(
    st.tuples(st.sampled_from(["real", "whole", "truth"]), st.lists(st.integers(1, 3), max_size=2)),
    min_size=1,
    max_size=4,
)


@given(FIELDS, st.integers(0, 2**32 - 1))
def test_rows_give_back_every_input_exactly_in_its_type(
    drawn: list[tuple[str, list[int]]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    fields, arrays = [], {}
    for number, (kind, shape) in enumerate(drawn):
        name, size = f"x{number}", (5, *shape)
        fields.append(InputField(name, tuple(shape), kind, 2**24))  # type: ignore[arg-type]  # drawn from the three
        made = {
            "real": chance.normal(size=size).astype(np.float32),
            "whole": chance.integers(0, 2**24, size),
            "truth": chance.integers(0, 2, size).astype(bool),
        }
        arrays[name] = made[kind]
    rows = torch.from_numpy(rows_of(fields, arrays))
    assert rows.dtype == row_type(fields)
    back = inputs_by_name(fields, rows)
    assert list(back) == list(arrays)
    for name, values in arrays.items():
        assert torch.equal(back[name], torch.from_numpy(values)), name


def test_what_a_network_answers_is_what_a_call_by_name_answers() -> None:
    subject, store, network = _reader(), Store(), reader_network()
    assert subject.input.answer == "logits"
    assert [field.name for field in subject.input.fields] == ["input_ids", "attention_mask"]
    split = subject.split("validation")
    assert split.inputs.dtype == torch.int64
    with torch.no_grad():
        expected = network(**inputs_by_name(subject.input.fields, split.inputs))["logits"]
    assert np.array_equal(predict(Model.original(subject), split, store).logits, expected.numpy())


def test_items_keep_their_order_and_a_few_are_set_apart() -> None:
    words, subject = _words(), _reader()
    rows = np.concatenate(list(words.values()), axis=1)
    found = np.concatenate([subject.split(n).inputs.numpy() for n in ("calibration", "validation")])
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, rows.tolist()))


@pytest.mark.slow
def test_every_step_works_on_them_and_files_take_the_inputs_by_name() -> None:
    subject, store = _reader(), Store()
    groups = {group.name: group for group in find_groups(subject.network, subject.input.baseline)}
    assert groups["hidden"].locked is None
    model = compress(subject, read_recipe(RECIPE), store)
    assert model.base.network.hidden.out_features == 18  # type: ignore[union-attr]  # a Linear
    split = subject.split("validation")
    for file_format in ("packed", "source", "onnx", "int8"):
        files = _last(export_files(model, file_format, split, store))
        assert files.numbers["same_class"].value == 1.0, file_format
        if file_format == "source":
            code = files.files["model.py"].decode()
            assert "def forward(self, input_ids, attention_mask):" in code
            assert "network_" not in code


@pytest.mark.slow
def test_an_onnx_file_names_inputs_and_weights_as_the_network_does() -> None:
    import onnx

    from compress_core.deliver.onnx_export import model_onnx

    subject = _reader()
    graph = onnx.load_from_string(model_onnx(Model.original(subject))).graph
    assert [given.name for given in graph.input] == ["input_ids", "attention_mask"]
    assert {given.type.tensor_type.elem_type for given in graph.input} == {onnx.TensorProto.INT64}
    assert "words.weight" in {held.name for held in graph.initializer}


def test_a_network_is_opened_on_a_copy() -> None:
    subject = _reader()
    written = opened(subject.network, few_items(subject))
    assert border_of(subject.network) is not None
    assert written.names == ("input_ids", "attention_mask")
    rows = few_items(subject)
    with torch.no_grad():
        assert torch.equal(written.network(*written.inputs), subject.network(rows))


def test_another_process_builds_the_same_model() -> None:
    subject = _reader()
    again = read_bundle(bundle_of(subject))
    assert again.input == subject.input
    assert again.key == subject.key
    store = Store()
    one, other = (predict(Model.original(s), s.split("validation"), store) for s in (subject, again))
    assert np.array_equal(one.logits, other.logits)


def test_two_answers_of_one_network_have_keys_of_their_own() -> None:
    subject = _reader()
    other = replace(subject, input=replace(subject.input, answer="pooled"))
    assert other.digest == subject.digest
    assert other.key != subject.key


def _npz(arrays: dict[str, NDArray[np.int64]]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy's stubs take the keywords for its own
    return out.getvalue()


def test_a_file_of_arrays_by_name_is_read_alike_in_and_outside_of_the_server() -> None:
    content = _npz({**_words(6), "labels": np.array([0, 1, 2, 0, 1, 2])})
    here, reader = read_items(content, "words.npz"), FileReader()
    try:
        there = reader.items(content, "words.npz")
    finally:
        reader.close()
    assert here.fields == there.fields
    assert np.array_equal(here.inputs, there.inputs)
    assert np.array_equal(here.labels, there.labels)  # type: ignore[arg-type]  # both have labels


def test_load_takes_arrays_by_name() -> None:
    words, network = _words(), reader_network()
    subject = load(network, words, _answers(network, words).argmax(1))  # type: ignore[arg-type]  # a mapping
    assert subject.input.by_name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda w: {"ids": w["input_ids"], "attention_mask": w["attention_mask"]},
            "input 'ids', but its forward",
        ),
        (lambda w: {"input_ids": w["input_ids"]}, "does not run on an item"),
        (lambda w: {**w, "input_ids": w["input_ids"] + WORDS}, "does not run|raised IndexError"),
    ],
)
def test_other_inputs_than_forward_takes_are_refused(change, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refused, match=says):
        subject_from_network(reader_network(), checked_items(change(_words()), None), "reader")


def test_items_of_another_form_are_refused_for_a_model_that_is_open() -> None:
    subject, words = _reader(), _words(5)
    for items in (
        checked_items({name: words[name] for name in reversed(words)}, None),
        checked_items(np.zeros((5, 18), np.float32), None),
    ):
        with pytest.raises(Refused, match="but the network takes input_ids"):
            with_items(subject, items)


class Bag(nn.Module):
    """Whole numbers in one tensor, which it takes as no other type."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.EmbeddingBag(WORDS, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.out(self.words(x))
        return answer


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.float32])
def test_whole_numbers_stay_whole_whatever_type_they_come_in(kind: type[np.generic]) -> None:
    words = np.random.default_rng(1).integers(0, WORDS, (20, 6)).astype(kind)
    torch.manual_seed(1)
    network = Bag().eval()
    subject = subject_from_network(network, checked_items(words, None), "bag")
    split = subject.split("validation")
    assert split.inputs.dtype == torch.int64
    with torch.no_grad():
        expected = network(torch.from_numpy(words.astype(np.int64)))
    assert np.array_equal(predict(Model.original(subject), split, Store()).logits, expected.numpy())


def test_fractions_and_negative_numbers_are_no_words() -> None:
    for values in (np.full((3, 6), 0.5, np.float32), np.full((3, 6), -1, np.float32)):
        with pytest.raises(Refused, match=r"takes whole numbers from 0.*but the items hold"):
            subject_from_network(Bag().eval(), Items(values, None), "bag")


class Several(nn.Module):
    """Answers with a tuple, its second part with nothing to judge."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.fc(x), None


class Nothing(Several):
    """Answers with a tensor under a name that says nothing."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]  # another answer
        return {"this": self.fc(x)}


def test_the_first_of_a_tuple_is_judged_and_an_unknown_name_is_refused() -> None:
    items = checked_items(np.eye(4, dtype=np.float32), None)
    subject = subject_from_network(Several().eval(), items, "several")
    assert subject.input.answer == "0"
    assert len(subject.classes) == 3
    with pytest.raises(Refused, match="called logits or scores, but it gave dict of this"):
        subject_from_network(Nothing().eval(), items, "nothing")


def _last(work):  # type: ignore[no-untyped-def]
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
