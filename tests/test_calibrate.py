"""What layers see while items run: the columns that they multiply, gradients, the order of the pass."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.arguments.gradients import loss_of
from compress_core.apply.context import Context, start
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import derive, supply
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.user_model import with_items
from compress_core.network import calibrate
from compress_core.network.calibrate import forward_order, inputs_of
from compress_core.network.channels import channel_activity, channels_read
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import LayerKind
from compress_core.network.layers.places import read_matrix
from compress_core.network.layers.unfold import channel_axis, readers
from compress_core.network.shared_copy import shared_copy
from compress_core.network.squared_gradients import fisher_diagonals
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from tests import test_zoo_pipeline as zoo_pipeline
from tests.heard import heard_layers
from tests.subjects import Mlp, everything_subject, loaded_sample, rules, seeded, tiny_subject
from tests.test_user_model import digits
from tests.zoo import ZOO

EVERYTHING = everything_subject()
ITEMS = EVERYTHING.split("validation").inputs
MULTIPLYING = [layer.name for layer in EVERYTHING.layers if layer.kind is not LayerKind.EMBEDDING]


def calibrated(network: nn.Module, shape: tuple[int, ...], items: int = 30) -> Subject:
    """A subject whose calibration items are its validation items."""
    subject = tiny_subject(network, shape, items)
    split = subject.split("validation")
    splits = {"validation": split, "calibration": Split("calibration", split.inputs, split.labels)}
    return replace(subject, splits=splits)


def assert_columns_explain(network: nn.Module, name: str, items: Tensor) -> None:
    """Columns times the matrix plus the bias are what the layer's modules answer."""
    layers, _ = find_layers(network)
    layer = next(one for one in layers if one.name == name)
    matrix = read_matrix(network, layer).unflatten(0, (layer.groups, -1))
    skeleton = shared_copy(network)
    answers: list[Tensor] = []
    for module in dict.fromkeys(readers(skeleton, layer)):
        axis = channel_axis(module)
        module.register_forward_hook(
            lambda m, _, out, axis=axis: answers.append(
                (out if m.bias is None else out - m.bias.view(-1, *(1,) * (-1 - axis))).movedim(axis, -1)
            )
        )
    found = list(inputs_of(skeleton, layer, items))
    looked_at = len(answers) - len(found)  # by one item first, to see what memory it takes
    assert len(found) >= looked_at > 0
    for columns, answer in zip(found, answers[looked_at:], strict=True):
        product = (columns @ matrix.mT).movedim(0, 1).flatten(1)
        torch.testing.assert_close(product, answer.reshape(-1, layer.rows), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MULTIPLYING)
def test_every_kind_of_layer_is_a_product_of_its_columns(name: str) -> None:
    assert_columns_explain(EVERYTHING.network, name, ITEMS)


CONVOLUTIONS = {
    "same and dilated": (nn.Conv2d(4, 6, (3, 2), padding="same", dilation=(2, 3)), (4, 7, 6)),
    "reflected": (nn.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="reflect", stride=2), (4, 7, 6)),
    "circular grouped": (nn.Conv1d(4, 6, 3, padding=2, padding_mode="circular", groups=2), (4, 7)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, stride=(2, 1)), (4, 7, 6)),
    "volume": (nn.Conv3d(2, 3, (1, 2, 3), padding=1, dilation=(1, 2, 1)), (2, 4, 5, 6)),
    "transposed": (nn.ConvTranspose2d(4, 6, (3, 4), stride=(2, 3), padding=(1, 2), groups=2), (4, 5, 4)),
    "transposed and cropped": (nn.ConvTranspose1d(4, 2, 2, padding=2), (4, 9)),
    "transposed and dilated": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, dilation=2, output_padding=1, padding=1),
        (4, 5, 4),
    ),
    "transposed volume": (nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 3)), (2, 3, 3, 3)),
    "tokens": (nn.Linear(5, 4, bias=False), (3, 5)),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_padding_strides_and_dilation_are_those_of_the_layer(case: str) -> None:
    layer, shape = CONVOLUTIONS[case]
    items = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    assert_columns_explain(nn.Sequential(layer.eval()), "0", items)


def test_small_batches_read_the_same_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = EVERYTHING.layer("plane")
    whole = torch.cat(list(inputs_of(shared_copy(EVERYTHING.network), layer, ITEMS)), dim=1)
    monkeypatch.setattr(calibrate, "NUMBERS_AT_ONCE", 3 * layer.positions * layer.columns)
    parts = list(inputs_of(shared_copy(EVERYTHING.network), layer, ITEMS))
    assert len(parts) == 2
    assert all(part.numel() <= calibrate.NUMBERS_AT_ONCE for part in parts)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


class Scaled(nn.Linear):
    """Multiplies something else than it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(2 * x)


class ByHand(Mlp):
    """Reads a weight without calling its layer."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(self.fc2(x @ self.fc1.weight.T).relu())


@pytest.mark.parametrize(
    ("network", "name", "says"),
    [
        (nn.Sequential(nn.Flatten(), Scaled(6, 3)), "1", "computes with the weight of 1 in a way of its own"),
        (ByHand(), "fc1", "fc1 did not run on the calibration items"),
    ],
)
def test_inputs_that_cannot_be_seen_are_refused(network: nn.Module, name: str, says: str) -> None:
    subject = tiny_subject(network, (6,))
    with pytest.raises(Refused, match=says):
        list(inputs_of(shared_copy(network), subject.layer(name), subject.split("validation").inputs))


def test_an_embedding_multiplies_nothing() -> None:
    with pytest.raises(Refused, match="places looks rows up and multiplies no input"):
        list(inputs_of(shared_copy(EVERYTHING.network), EVERYTHING.layer("places"), ITEMS))


# Order ------------------------------------------------------------------------------------------------------


class Backwards(nn.Module):
    """Calls its layers in the reverse of the order in which they are declared."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.inner = nn.Linear(5, 3), nn.Sequential(nn.Linear(4, 5))
        self.first = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(self.first(x).relu()).relu())


def test_layers_stand_in_the_order_in_which_they_are_called() -> None:
    subject = tiny_subject(seeded(Backwards()), (6,))
    assert [layer.name for layer in subject.layers] == ["last", "inner.0", "first"]
    assert Context(subject, Store()).order == ("first", "inner.0", "last")


def test_projections_and_shared_layers_stand_where_they_are_first_used() -> None:
    order = forward_order(shared_copy(EVERYTHING.network), EVERYTHING.layers, EVERYTHING.input.baseline)
    assert sorted(order) == sorted(EVERYTHING.by_name)
    assert order[0] == "words"
    wanted = ("line", "attention.q_proj", "attention.out_proj", "up", "cross.v_proj", "block.linear1", "head")
    places = [order.index(name) for name in wanted]
    assert places == sorted(places)


def test_a_sequential_method_sees_what_its_predecessors_now_produce() -> None:
    subject = calibrated(seeded(Backwards()), (6,))
    network, inputs = subject.network, subject.split("calibration").inputs
    model = compress(subject, rules(any=Step.of("gptq", bits=2)), Store())
    first = (inputs @ model.values("first").T + network.first.bias).relu()
    inner = (first @ model.values("inner.0").T + network.inner[0].bias).relu()
    context = Context(subject, Store())
    done = {n: start(subject.layer(n), context) for n in subject.by_name}
    now = {n: replace(part, encoded=model.compressed[n].encoded[0]) for n, part in done.items()}
    for name, read in (("first", inputs), ("inner.0", first), ("last", inner)):
        behind = context.behind(now, name, Step.of("gptq"))
        moment = supply("compressed_hessian", done[name], None, behind)
        expected = read.double().T @ read.double() / len(inputs)
        torch.testing.assert_close(moment[0], expected, atol=1e-5, rtol=1e-4)


# Statistics -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lenet() -> Subject:
    return loaded_sample("lenet300")


def test_norms_and_moments_are_those_of_the_pixels(lenet: Subject) -> None:
    store = Store()
    pixels = lenet.split("calibration").inputs.flatten(1).double()
    norm = derive(lenet, "fc1", "input_norm", store)
    moment = derive(lenet, "fc1", "hessian", store)
    torch.testing.assert_close(norm[0].double(), pixels.norm(dim=0), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(moment[0], pixels.T @ pixels / len(pixels))
    assert derive(lenet, "fc1", "hessian", store) is moment


def test_the_output_error_is_the_trace_with_the_moment() -> None:
    subject = calibrated(
        seeded(nn.Sequential(nn.Conv2d(2, 4, 3, groups=2, padding=1), nn.Flatten())), (2, 5, 5)
    )
    moment = derive(subject, "0", "hessian", Store())
    change = torch.randn(4, 9, generator=torch.Generator().manual_seed(1)).double()
    told = sum(float(d @ moment[i // 2] @ d) for i, d in enumerate(change))
    inputs = subject.split("calibration").inputs.double()
    out = nn.functional.conv2d(inputs, change.view(4, 1, 3, 3), padding=1, groups=2)
    assert told == pytest.approx(float(out.square().sum(1).mean()), rel=1e-5)


@pytest.mark.parametrize("labeled", [True, False])
def test_squared_gradients_are_the_mean_of_each_items_own(labeled: bool) -> None:
    items = ITEMS[:4]
    labels = torch.tensor([0, 2, 1, 1]) if labeled else None
    loss = loss_of(AnswerKind.SCORES)
    found = fisher_diagonals(shared_copy(EVERYTHING.network), EVERYTHING.layers, items, labels, loss)
    network = everything_subject().network.requires_grad_()
    expected: dict[str, Tensor] = {layer.name: torch.zeros(()) for layer in EVERYTHING.layers}
    for index in range(4):
        network.zero_grad()
        scores = network(items[index : index + 1])
        nn.functional.cross_entropy(
            scores, scores.argmax(1) if labels is None else labels[[index]]
        ).backward()
        for layer in EVERYTHING.layers:
            place = layer.places[0]
            gradient = getattr(network.get_submodule(place.module), place.parameter).grad
            part = gradient if place.rows is None else gradient[slice(*place.rows)]
            if layer.transposed:
                part = part.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
            expected[layer.name] = expected[layer.name] + part.flatten(1).square() / 4
    for layer in EVERYTHING.layers:
        torch.testing.assert_close(found[layer.name].mean, expected[layer.name], rtol=1e-4, atol=1e-9)


def test_measuring_changes_nothing_of_the_original() -> None:
    subject = calibrated(seeded(Mlp()), (6,))
    before = {n: t.clone() for n, t in subject.network.state_dict().items()}
    store = Store()
    for name, statistic in itertools.product(subject.by_name, ("input_norm", "fisher_diagonal")):
        derive(subject, name, statistic, store)
    assert all(torch.equal(before[n], t) for n, t in subject.network.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in subject.network.parameters())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in subject.network.modules())


def test_a_small_layer_is_measured_with_its_neighbor_in_place() -> None:
    subject = calibrated(seeded(Mlp()), (6,))
    recipe = rules(fc2=(Step.of("low_rank", rank=3), Step.of("wanda", sparsity=0.5)))
    model = compress(subject, recipe, Store())
    first, second = model.compressed["fc2"].encoded
    inputs = subject.split("calibration").inputs
    hidden = (inputs @ subject.network.fc1.weight.T + subject.network.fc1.bias).relu()
    narrow = hidden @ first.weight.T
    for encoded, read in ((first, hidden), (second, narrow)):
        scores = encoded.weight.abs() * read.norm(dim=0)
        mask = encoded.mask.tensor
        assert scores[mask].min() >= scores[~mask].max()


@pytest.mark.parametrize("technique", ["wanda", "taylor", "gptq"])
@pytest.mark.parametrize("name", ["up", "plane", "attention.q_proj", "block.linear2"])
def test_small_layers_of_every_kind_are_measured(technique: str, name: str) -> None:
    split = EVERYTHING.split("validation")
    subject = replace(EVERYTHING, splits={"calibration": replace(split, name="calibration")})
    recipe = Recipe((Rule(name, (Step.of("low_rank", rank=1), Step.of(technique))),))
    model = compress(subject, recipe, Store())
    assert model.compressed[name].is_factored
    assert torch.isfinite(model.network()(ITEMS)).all()


def test_other_calibration_items_make_another_model() -> None:
    subject = calibrated(seeded(Mlp()), (6,))
    other = calibrated(seeded(Mlp()), (6,), items=31)
    store, recipe = Store(), rules(any=Step.of("wanda"))
    assert subject.digest == other.digest
    assert compress(subject, recipe, store).key != compress(other, recipe, store).key
    plain = rules(any=Step.of("magnitude"))
    assert compress(subject, plain, store).key == compress(other, plain, store).key


def test_a_model_without_calibration_items_is_told_what_to_add() -> None:
    subject = tiny_subject(seeded(Mlp()), (6,))
    with pytest.raises(
        Refused, match=r"Tiny has no calibration items, .* at least 200 items, of which one in ten"
    ):
        compress(subject, rules(any=Step.of("wanda")), Store())


def test_own_items_are_enough_for_a_technique_that_measures() -> None:
    subject = with_items(loaded_sample("lenet300"), digits(200))
    assert (
        compress(subject, rules(fc3=Step.of("wanda")), Store()).compressed["fc3"].encoded[0].kept_count == 500
    )


def test_an_earlier_layers_rank_redoes_what_stands_behind_it_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    heard = heard_layers(monkeypatch)
    for rank in (2, 3):
        steps = {
            "fc2": Step.of("low_rank", rank=rank),
            "fc1": Step.of("wanda"),
            "fc3": Step.of("wanda"),
        }
        compress(subject, rules(**steps), store)
    assert heard == [("fc1",), ("fc3",), ("fc3",)]


# Channels ---------------------------------------------------------------------------------------------------


def test_channel_activity_is_that_of_the_relu_before() -> None:
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc1.bias[2] = -1e3
    items = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    found = channel_activity(shared_copy(network), ["fc2", "fc1"], items)
    hidden = network.fc1(items).relu().double()
    torch.testing.assert_close(found["fc2"][0], hidden.mean(0))
    torch.testing.assert_close(found["fc2"][1], (hidden == 0).double().mean(0))
    assert found["fc2"][1][2] == 1
    torch.testing.assert_close(found["fc1"][0], items.double().abs().mean(0))


def test_channels_of_maps_are_told_over_items_and_places() -> None:
    read = channels_read(shared_copy(EVERYTHING.network), list(EVERYTHING.by_name), ITEMS)
    assert set(read.by_layer) == set(MULTIPLYING)
    with pytest.raises(Refused, match="words looks rows up"):
        read.of("words")
    network, seen = shared_copy(EVERYTHING.network), []
    network.depth.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    with torch.no_grad():
        network(ITEMS)
    maps = seen[0].double().movedim(1, 0).flatten(1)
    told = read.of("depth")
    for ours, theirs in (
        (told.mean, maps.mean(1)),
        (told.std, maps.std(1, correction=0)),
        (told.norm, maps.norm(dim=1)),
        (told.smallest, maps.amin(1)),
        (told.largest, maps.amax(1)),
        (told.near_zero_share, (maps.abs() <= told.threshold).double().mean(1)),
    ):
        torch.testing.assert_close(ours, theirs)
    assert told.threshold == pytest.approx(0.01 * float(maps.square().mean().sqrt()))


def test_a_layer_that_reads_nothing_says_so() -> None:
    with pytest.raises(Refused, match="fc1 did not run on the items, so it read nothing"):
        channel_activity(shared_copy(seeded(ByHand())), ["fc1"], torch.ones(2, 6))


def test_other_items_reach_the_base_that_a_cut_leaves() -> None:
    recipe = Recipe((Rule("fc3", (Step.of("wanda"),)),), (Rule("fc1", (Step.of_group("magnitude"),)),))
    store = Store()
    for items in (30, 31):
        subject = calibrated(seeded(Mlp()), (6,), items)
        assert compress(subject, recipe, store).base.split("calibration") is subject.split("calibration")


def test_a_factored_layer_is_read_by_its_first_part() -> None:
    subject = tiny_subject(seeded(Mlp()), (6,))
    model = compress(subject, rules(fc2=Step.of("low_rank", rank=2)), Store())
    items = subject.split("validation").inputs
    ours = channels_read(model.network(), ["fc2"], items).of("fc2")
    plain = channels_read(Model.original(subject).network(), ["fc2"], items).of("fc2")
    assert np.allclose(ours.mean, plain.mean)


# Every way to build a network -------------------------------------------------------------------------------


UNTOLD = ("one table of class scores", "No gradient reaches")
UNSEEN = ("did not run", "looks rows up", "in a way of its own", "by their weights alone")


def made_or_refused(subject: Subject, layer: str, technique: str, store: Store) -> Model | str:
    """The model that a step makes of one layer, or why it is refused."""
    try:
        return compress(subject, Recipe((Rule(layer, (Step.of(technique),)),)), store)
    except Refused as refused:
        return str(refused)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_every_layer_of_the_zoo_is_measured_or_refused_with_the_reason(name: str) -> None:
    subject, store = zoo_pipeline.subject_of(name), Store()
    inputs = subject.split("calibration").inputs
    for layer, technique in itertools.product(subject.layers, ("taylor", "gptq", "whitened_low_rank")):
        found = made_or_refused(subject, layer.name, technique, store)
        if isinstance(found, Model):
            with torch.no_grad():
                assert torch.isfinite(found.network()(inputs)).all()
        else:
            reasons = UNTOLD if technique == "taylor" else UNSEEN
            assert any(reason in found for reason in reasons)
