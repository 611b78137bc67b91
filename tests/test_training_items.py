"""Items to train on: where they come from, that they stay apart from what judges, and when they are read."""

from __future__ import annotations

import builtins
import hashlib
import inspect
import io
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from compress_core.apply.run import compress
from compress_core.cli.arguments import ModelOptions
from compress_core.cli.loading import open_subject
from compress_core.cli.measuring import compare
from compress_core.cli.serving_model import open_model
from compress_core.face.load_model import load
from compress_core.face.page_process import PageRequest
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import TRAINING_ITEMS, bundle_in, bundle_of, read_bundle
from compress_core.loading import sample_training as module
from compress_core.loading.cards import CardTraining, card_of
from compress_core.loading.items import Items
from compress_core.loading.own_training import OwnTrainingItems, with_training
from compress_core.loading.sample_training import sample_training
from compress_core.loading.samples import load_sample
from compress_core.loading.stored_splits import read_splits
from compress_core.loading.user_model import with_items
from compress_core.loading.weights_subject import user_subject
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, loaded_sample, mlp_subject, rules

DIGITS = np.random.default_rng(3).integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = np.arange(12) % 10


def rows(count: int = 9) -> Items:
    """Labeled rows for the small network of three layers."""
    return Items(np.random.default_rng(1).random((count, 6), dtype=np.float32), np.arange(count) % 3)


@lru_cache(maxsize=1)
def own() -> Subject:
    """Other weights for a sample's architecture, with items of their own."""
    state = {n: t + 0.01 for n, t in loaded_sample("lenet300").network.state_dict().items()}
    judged = np.random.default_rng(4).integers(0, 256, (8, 28, 28), dtype=np.uint8)
    return user_subject(state, Items(judged, np.arange(8)), name="mine")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file of twelve images that the cards of all samples name as what they are trained on."""
    file = tmp_path / "few.npz"
    np.savez(file, training_inputs=DIGITS, training_labels=LABELS.astype(np.uint8))
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    said = CardTraining(data=str(file), split="training", sha256=checksum, count=12)
    monkeypatch.setattr(module, "card_of", lambda name: card_of(name).model_copy(update={"training": said}))
    return file


def test_nothing_reads_training_items_when_a_model_is_opened_compressed_or_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    plain = builtins.open

    def noted(file: object, *arguments: object, **named: object) -> object:
        opened.append(str(file))
        return plain(file, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", noted)
    monkeypatch.setattr(io, "open", noted)
    read_splits.cache_clear()
    subject = load_sample("lenet300")
    compress(subject, rules(fc3=Step.of("magnitude", sparsity=0.5)), Store())
    bundle_of(replace(subject, name="mine"))
    assert subject.digest_of("training")
    assert any("mnist_6k_2k" in name for name in opened), "this is how it would be seen"
    assert not [name for name in opened if "mnist_train_54k" in name]


@pytest.mark.usefixtures("small")
def test_training_items_of_a_sample_are_prepared_as_its_other_items_are() -> None:
    items = sample_training("lenet300")
    form = loaded_sample("lenet300").input
    assert torch.equal(items.split.inputs, form.prepared(DIGITS))
    assert items.split.labels is not None
    assert items.split.labels.tolist() == LABELS.tolist()
    assert (len(items.split), items.split.name, items.split.digest) == (12, "training", items.digest)


@pytest.mark.usefixtures("small")
def test_samples_with_the_same_preparation_share_what_is_read() -> None:
    assert sample_training("lenet300").split is sample_training("lenet5").split


@pytest.mark.usefixtures("small")
def test_another_preparation_of_the_same_file_has_another_digest() -> None:
    assert sample_training("lenet300").digest == sample_training("vit").digest
    assert sample_training("lenet300").digest != sample_training("tabular").digest


def test_a_changed_file_of_training_items_is_refused(small: Path) -> None:
    np.savez(small, training_inputs=DIGITS[::-1], training_labels=LABELS)
    with pytest.raises(Refused, match=r"in few\.npz are not those that the card describes: install"):
        sample_training("lenet300").read()


def test_a_missing_file_of_training_items_is_refused(small: Path) -> None:
    items = sample_training("lenet300")
    small.unlink()
    with pytest.raises(Refused, match=r"in few\.npz cannot be read \(No such file.*\): install"):
        items.read()


def test_the_table_trains_on_the_rows_on_which_techniques_measure() -> None:
    subject = loaded_sample("tabular")
    training, calibration = subject.split("training"), subject.split("calibration")
    assert torch.equal(training.inputs, calibration.inputs)
    assert (training.name, len(training)) == ("training", subject.training_items.count)


def test_weights_of_ones_own_train_on_the_items_of_the_sample_unless_they_bring_items() -> None:
    state = loaded_sample("tabular").network.state_dict()
    others = Items(np.ones((4, 30), np.float32), np.arange(4) % 2)
    plain, judged = user_subject(state, None, name="mine"), user_subject(state, others, name="mine")
    assert plain.digest_of("training") == loaded_sample("tabular").digest_of("training")
    assert judged.training is None
    assert with_items(loaded_sample("tabular"), others).training is None


def test_a_model_takes_items_to_train_on_and_keeps_what_judges_it() -> None:
    subject = mlp_subject()
    trains = with_training(subject, rows())
    assert trains.splits is subject.splits
    assert (trains.key, trains.identity) == (subject.key, subject.identity), "its numbers stay its numbers"
    assert torch.equal(trains.split("training").inputs, torch.from_numpy(rows().inputs))
    assert trains.split("training").digest == trains.digest_of("training")
    assert trains.nbytes == subject.nbytes + 9 * (6 * 4 + 8)


def test_bytes_stay_bytes_until_something_trains() -> None:
    training = with_training(own(), Items(DIGITS, LABELS)).training
    assert isinstance(training, OwnTrainingItems)
    assert training.items.inputs.dtype == np.uint8
    assert torch.equal(training.split.inputs, own().input.prepared(DIGITS))


def test_equal_items_have_an_equal_digest_and_other_labels_another() -> None:
    first, second = (with_training(mlp_subject(), rows()).digest_of("training") for _ in range(2))
    assert first == second
    others = replace(rows(), labels=np.zeros(9, np.int64))
    assert with_training(mlp_subject(), others).digest_of("training") != first


def test_training_items_without_labels_are_refused_with_what_to_save() -> None:
    with pytest.raises(Refused, match=r"have no labels, and Tiny learns nothing .* in one \.npz file"):
        with_training(mlp_subject(), replace(rows(), labels=None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": np.ones((9, 5), np.float32)}, r"shape \[5\], but the network takes \[6\]"),
        ({"labels": np.full(9, 3)}, "labels go up to 3, but the network has 3 classes"),
    ],
    ids=["shape", "class"],
)
def test_training_items_that_do_not_fit_the_model_are_refused(
    changes: dict[str, np.ndarray], said: str
) -> None:
    with pytest.raises(Refused, match=said):
        with_training(mlp_subject(), replace(rows(), **changes))


@pytest.mark.parametrize("give", [with_training, with_items])
def test_no_items_at_all_are_refused(
    give: Callable[[Subject, Items], Subject],
) -> None:
    with pytest.raises(Refused, match="There are no items here: give an array of one item at least"):
        give(mlp_subject(), rows(0))


def test_images_that_were_scaled_before_are_refused_to_train_on() -> None:
    scaled = Items((DIGITS / 255 - 0.13).astype(np.float32), LABELS)
    with pytest.raises(Refused, match="save them before any normalization"):
        with_training(own(), scaled)


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("come_as", ["bytes", "shares"])
def test_items_that_judge_a_model_are_not_trained_on(split: str, come_as: str) -> None:
    sample = loaded_sample("lenet300")
    judging = (sample.input.raw(sample.splits[split].inputs[[5, 70, 800]]) * 255).round().numpy()
    mixed = np.concatenate([DIGITS[:, None], judging.astype(np.uint8)])
    shown = mixed if come_as == "bytes" else mixed.astype(np.float32) / np.float32(255)
    said = f"3 of the 15 training items are also among the {split} items, on which .*: splits stay apart"
    with pytest.raises(Refused, match=said):
        with_training(sample, Items(shown, np.arange(15) % 10))


def test_items_that_techniques_measure_on_may_be_trained_on() -> None:
    raw = np.random.default_rng(0).random((200, 30), dtype=np.float32)
    subject = with_items(loaded_sample("tabular"), Items(raw, None))
    calibration = subject.input.raw(subject.split("calibration").inputs).numpy()
    assert with_training(subject, Items(calibration, np.zeros(20, np.int64))).training_items.count == 20


def test_a_model_made_of_a_subject_speaks_for_the_items_that_this_one_trains_on() -> None:
    store, subject = Store(), mlp_subject()
    recipe = rules(fc1=Step.of("magnitude", sparsity=0.5))
    for each in (subject, with_training(subject, rows()), with_training(subject, rows(8)), subject):
        made = compress(each, recipe, store)
        assert made.subject.training is each.training
        assert made.base.training is each.training


def test_a_base_that_was_made_before_is_shown_with_the_items_that_a_subject_trains_on() -> None:
    trains = with_training(mlp_subject(), rows())
    made_before = replace(trains, training=None)
    assert made_before.shown_as(trains).training is trains.training
    assert trains.shown_as(made_before).training is None


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_own_training_items_travel_as_they_came(tmp_path: Path, kind: type) -> None:
    inputs = DIGITS if kind is np.uint8 else DIGITS.astype(np.float32) / np.float32(255)
    subject = with_training(own(), Items(inputs, LABELS))
    for name, content in bundle_of(subject).items():
        (tmp_path / name).write_bytes(content)
    again = read_bundle(bundle_in(tmp_path))
    assert isinstance(again.training, OwnTrainingItems)
    assert again.training.items.inputs.dtype == kind
    assert again.digest_of("training") == subject.digest_of("training")
    assert torch.equal(again.split("training").inputs, subject.split("training").inputs)


def test_training_items_of_a_sample_are_named_and_not_sent() -> None:
    state = {n: t + 0.01 for n, t in loaded_sample("lenet300").network.state_dict().items()}
    subject = user_subject(state, None, name="mine")
    sent = bundle_of(subject)
    assert TRAINING_ITEMS not in sent
    assert read_bundle(sent).digest_of("training") == subject.digest_of("training")


def test_a_model_without_training_items_has_none_in_a_worker() -> None:
    assert read_bundle(bundle_of(own())).training is None


def test_the_shell_takes_a_file_to_train_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", inputs=np.ones((6, 30), np.float32), labels=np.arange(6) % 2)
    subject = open_subject(ModelOptions("tabular", train=tmp_path / "mine.npz"))
    assert subject.training_items.count == 6
    request = PageRequest(port=1, model="tabular", train=str(tmp_path / "mine.npz"))
    assert not request.is_plain_sample
    assert request.subject().digest_of("training") == subject.digest_of("training")


def test_a_network_of_ones_own_is_loaded_with_a_pair_or_a_file_to_train_on(tmp_path: Path) -> None:
    inputs, labels = rows().inputs, rows().labels
    np.savez(tmp_path / "mine.npz", inputs=inputs, labels=labels)
    pair = load(Mlp(), input_shape=(6,), training=(inputs, labels))
    file = load(Mlp(), input_shape=(6,), training=tmp_path / "mine.npz")
    assert pair.training_items.count == 9
    assert pair.digest_of("training") == file.digest_of("training")


def test_training_items_in_another_form_are_refused_with_the_two_there_are() -> None:
    with pytest.raises(Refused, match=r"a file with inputs and labels, or a pair \(items, labels\), but got"):
        load("tabular", training=(1, 2, 3))  # type: ignore[arg-type]


def test_only_commands_that_train_or_open_a_page_take_it() -> None:
    assert "train" in inspect.signature(open_model).parameters
    assert "train" not in inspect.signature(compare).parameters
