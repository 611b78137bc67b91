"""A model of one's own: recognized, inferred or built by a factory, and fed as it was trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.item_splits import split_of
from compress_core.loading.items import Items, checked_items
from compress_core.loading.preprocessing import Preprocessing
from compress_core.loading.subgroups import subgroups_in
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import subject_from_network, with_items
from compress_core.loading.weights_subject import known_shapes, user_subject
from compress_core.subject.origin import Origin
from tests.subjects import loaded_sample


def digits(count: int = 3, **arrays: object) -> Items:
    """Random images of bytes [N, 28, 28] with labels."""
    made = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return dataclasses.replace(Items(made, np.arange(count, dtype=np.int64) % 10), **arrays)


def weights_of(sample: str) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in loaded_sample(sample).network.state_dict().items()}


def cnn() -> nn.Module:
    """Images 1 x 8 x 8, padding and pooling that the state dict does not tell."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 3),
    ).eval()


def test_weights_of_a_sample_are_recognized_and_bring_its_items_and_classes() -> None:
    state = {name: t + 0.01 for name, t in weights_of("tabular").items()}
    subject, sample = user_subject(state, None, name="mine"), loaded_sample("tabular")
    assert (subject.name, subject.classes, subject.input) == ("mine", sample.classes, sample.input)
    assert subject.splits["validation"].digest == sample.splits["validation"].digest
    assert subject.digest != sample.digest


def test_own_items_replace_every_split_of_a_recognized_sample() -> None:
    subject = user_subject(weights_of("lenet300"), digits(), name="mine")
    assert list(subject.splits) == ["validation"]
    assert len(subject.split("validation")) == 3


def test_own_items_of_a_sample_are_prepared_as_its_own_are() -> None:
    sample = loaded_sample("lenet300")
    shown = sample.splits["validation"].inputs[:2]
    raw = (sample.input.raw(shown) * 255).round().to(torch.uint8).numpy()
    assert torch.equal(with_items(sample, Items(raw, None)).split("validation").inputs, shown)


@pytest.mark.slow
def test_every_sample_is_known_by_the_shapes_of_its_file() -> None:
    for name, shapes in known_shapes().items():
        state = loaded_sample(name).network.state_dict()
        assert {k: tuple(t.shape) for k, t in state.items()} == shapes


@pytest.mark.parametrize("low_high", [(-1.0, 1.0), (0.0, 255.0)], ids=["normalized", "bytes as floats"])
def test_images_that_were_scaled_already_are_refused_by_a_network_that_scales(
    low_high: tuple[float, float],
) -> None:
    inputs = np.linspace(*low_high, 784, dtype=np.float32).reshape(1, 28, 28)
    with pytest.raises(Refused, match="before any normalization"):
        user_subject(weights_of("lenet300"), Items(inputs, None), name="mine")


def test_labeled_items_choose_the_arrangement_that_computes_what_the_original_did() -> None:
    network = cnn()
    inputs = np.random.default_rng(1).normal(size=(199, 1, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        answers = network(torch.from_numpy(inputs))
    subject = user_subject(network.state_dict(), Items(inputs, answers.argmax(1).numpy()), name="cnn")
    with torch.inference_mode():
        again = subject.network(subject.split("validation").inputs)
    assert torch.allclose(again, answers, atol=1e-5)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (8, 8, 1), (1, 8, 8)], ids=str)
def test_items_of_one_channel_are_understood_in_every_usual_shape(shape: tuple[int, ...]) -> None:
    inputs = np.ones((2, *shape), dtype=np.float32)
    subject = user_subject(cnn().state_dict(), Items(inputs, None), name="cnn")
    assert subject.split("validation").inputs.shape == (2, 1, 8, 8)


def test_without_items_an_inferred_network_has_layers_and_no_split() -> None:
    state = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).state_dict()
    subject = user_subject(state, None, name="mlp")
    assert [layer.macs for layer in subject.layers] == [30, 10]
    assert not subject.splits


def test_labels_beyond_the_classes_are_refused() -> None:
    inputs, labels = np.ones((2, 1, 8, 8), np.float32), np.array([0, 3])
    with pytest.raises(Refused, match="3 classes"):
        user_subject(cnn().state_dict(), Items(inputs, labels), name="cnn")


def test_a_network_of_ones_own_sees_the_items_as_they_are_and_bytes_as_shares() -> None:
    items = Items(np.array([[0, 255]], dtype=np.uint8), None)
    subject = subject_from_network(nn.Linear(2, 3).double(), items, "mine")
    assert subject.split("validation").inputs.tolist() == [[0.0, 1.0]]
    assert subject.classes == ("0", "1", "2")
    assert subject.layers[0].weights == 6


class OneScore(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values.sum(1)


class OneItem(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values.view(1, 2)


class AlwaysOne(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values[:1]


class Anger(Exception):
    """Of a kind that nobody else knows."""


class Angry(nn.Module):
    def forward(self, _values: Tensor) -> Tensor:
        raise Anger("no")


def failing() -> nn.Module:
    raise Anger


def leaving() -> nn.Module:
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("network", "shape", "says"),
    [
        (nn.Linear(2, 3), None, "give items, or the shape of one"),
        (nn.Linear(2, 3), (5,), r"item of shape \[5\]"),
        (nn.Linear(2, 1), (2,), "one score for each of two or more classes"),
        (OneScore(), (2,), "one score for each of two or more classes"),
        (nn.Embedding(4, 2), (2,), r"\[items, classes\], but it gave \[2, 2, 2\]"),
        (OneItem(), (2,), r"item of shape \[2\]"),
        (AlwaysOne(), (2,), r"\[items, classes\], but it gave \[1, 2\]"),
        (Angry(), (2,), r"item of shape \[2\] \(Anger: no\)"),
    ],
)
def test_a_network_that_is_no_classifier_of_such_items_is_refused(
    network: nn.Module, shape: tuple[int, ...] | None, says: str
) -> None:
    with pytest.raises(Refused, match=says):
        subject_from_network(network, None, "mine", shape)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"weight": torch.ones(3, 2)}, "bias is missing"),
        ({"weight": torch.ones(3, 2), "bias": torch.ones(3), "x": torch.ones(1)}, "x has no place"),
        ({"weight": torch.ones(2, 3), "bias": torch.ones(3)}, r"\[2, 3\] instead of \[3, 2\]"),
    ],
)
def test_weights_that_do_not_fit_say_the_first_difference(state: dict[str, Tensor], says: str) -> None:
    with pytest.raises(Refused, match=says):
        loaded(nn.Linear(2, 3), state, "file")


@pytest.mark.parametrize(
    "factory",
    [
        "nowhere.at_all:f", "json:nothing", "json:loads", "json", "builtins:dict",
        f"{__name__}:failing", f"{__name__}:leaving",
    ],
)  # fmt: skip
def test_a_factory_that_fails_is_refused(factory: str) -> None:
    with pytest.raises(Refused):
        network_from(Origin(factory))


def compiled() -> nn.Module:
    return torch.compile(cnn())


@pytest.mark.slow
def test_a_compiled_network_is_taken_as_it_was_written() -> None:
    assert isinstance(network_from(Origin(f"{__name__}:compiled")), nn.Sequential)


def test_items_become_the_validation_split() -> None:
    sample = loaded_sample("lenet300")
    assert split_of(digits(labels=None), sample.input, 10).name == "validation"


def test_from_two_hundred_items_on_one_in_ten_is_set_apart_and_never_judged_on() -> None:
    sample = loaded_sample("lenet300")
    whole = digits(400)
    subject = with_items(sample, whole)
    judged, apart = subject.split("validation"), subject.split("calibration")
    assert (len(judged), len(apart)) == (360, 40)
    rows = {tuple(item) for item in sample.input.prepared(whole.inputs).flatten(1).tolist()}
    seen = [{tuple(item) for item in split.inputs.flatten(1).tolist()} for split in (judged, apart)]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == rows
    assert len(apart.labels.unique()) > 5
    assert with_items(sample, whole).split("calibration").digest == apart.digest
    assert list(with_items(sample, digits(199)).splits) == ["validation"]


def test_labels_stay_with_their_items_when_some_are_set_apart() -> None:
    made = digits(300, inputs=np.repeat(np.arange(300) % 250, 784).reshape(300, 28, 28).astype(np.uint8))
    made = dataclasses.replace(made, labels=(made.inputs[:, 0, 0] % 10).astype(np.int64))
    subject = with_items(loaded_sample("lenet300"), made)
    for split in subject.splits.values():
        raw = (subject.input.raw(split.inputs)[:, 0, 0, 0] * 255).round().long()
        assert torch.equal(raw % 10, split.labels)


APART = np.sort(torch.randperm(400, generator=torch.Generator().manual_seed(0)).numpy()[:40])
"""Of 400 items those that are set apart to calibrate on."""
JUDGED = np.setdiff1d(np.arange(400), APART)


class PerPlace(nn.Module):
    """Scores of three classes at each of four places."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 12)

    def forward(self, items: Tensor) -> Tensor:
        return torch.as_tensor(self.inner(items)).reshape(-1, 4, 3)


def labels_of(judged: object, apart: object, shape: tuple[int, ...] = (400,)) -> np.ndarray:
    """Labels of 400 items, one of which is wrong among those judged, and one among those set apart."""
    found = np.zeros(shape, np.array(judged).dtype)
    found[JUDGED[7]], found[APART[3]] = judged, apart
    return found


@pytest.mark.parametrize("swapped", [False, True], ids=["apart", "judged"])
@pytest.mark.parametrize(
    ("network", "worse", "bad", "shape", "task", "says"),
    [
        (nn.Linear(4, 3), 9, 7, (400,), None, "The labels go up to 9, but the network has 3 classes"),
        (nn.Linear(4, 3), 4, 0, (400, 3), "labels", "The labels go from 0 to 4"),
        (nn.Linear(4, 3), 0.5, 1.0, (400,), "classification", r"they are float32 \[400\]"),
        (nn.Linear(4, 3), 2.0**25, 0.0, (400,), "classification", "The labels go from 0 to 3.35544e"),
        (PerPlace(), -7, -3, (400, 4), "tokens", "The labels go down to -7"),
        (PerPlace(), 9, 7, (400, 4), "tokens", "The labels go up to 9, but the network has 3 classes"),
    ],
)
def test_a_refusal_speaks_of_all_labels_of_the_file_whichever_part_an_item_is_in(
    network: nn.Module, worse: float, bad: float, shape: tuple[int, ...], task: Any, says: str, swapped: bool
) -> None:
    inputs = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    labels = labels_of(*((worse, bad) if swapped else (bad, worse)), shape)
    with pytest.raises(Refused, match=says):
        subject_from_network(network, checked_items(inputs, labels), "mine", task=task)


@pytest.mark.parametrize("worse", [APART[3], JUDGED[7]], ids=["apart", "judged"])
def test_weights_alone_are_refused_for_all_items_of_the_file(worse: int) -> None:
    state = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).state_dict()
    labels = labels_of(7, 7)
    labels[worse] = 9
    with pytest.raises(Refused, match="The labels go up to 9, but the network has 3 classes"):
        user_subject(state, checked_items(np.ones((400, 4), np.float32), labels), name="mine")
    small = np.zeros((400, 8, 8), np.float32)
    small[worse] = 3.0
    half = Preprocessing(mean=(0.5,))
    with pytest.raises(Refused, match="The images hold numbers from 0 to 3, but"):
        user_subject(cnn().state_dict(), Items(small, None), name="mine", preprocessing=half)
    large = np.zeros((400, 28, 28), np.float32)
    large[worse] = 3.0
    with pytest.raises(Refused, match="The images hold numbers from 0 to 3, but"):
        with_items(loaded_sample("lenet300"), Items(large, None))


def test_subgroups_of_a_file_are_those_of_the_items_of_a_split(tmp_path: Path) -> None:
    inputs = np.ones((400, 4), np.float32)
    np.savez(tmp_path / "rows.npz", inputs=inputs, group=np.arange(400))
    for split, items in (("validation", JUDGED), ("calibration", APART)):
        found = subgroups_in(tmp_path / "rows.npz", "group", split)
        assert found.tolist() == items.astype(str).tolist()
