"""Multiplications are those that torch runs, wherever they stand, or they are not measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packed_file import read_packed, read_packed_state, write_packed
from compress_core.deliver.plain_container import container_bytes, read_container, write_container
from compress_core.deliver.same_bits import same_state
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.cost.cost import costs, layer_costs
from compress_core.measure.cost.energy import energy_costs
from compress_core.measure.cost.sizes import counted_sizes
from compress_core.network.multiplications import multiplications
from compress_core.network.one_memory import values_once, views_in
from compress_core.recipe.reading import read_recipe
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from tests.subjects import loaded_sample, rules, seeded


class Of(nn.Module):
    """A layer or two, and what is done with them."""

    def __init__(self, does: Callable[[nn.ModuleDict, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.does = nn.ModuleDict(layers), does

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self.layers, x)


def lin(inputs: int, outputs: int) -> nn.Module:
    return nn.Linear(inputs, outputs, bias=False)


def _tied() -> nn.Module:
    network = Of(lambda m, x: m["head"](m["b"](m["a"](x).relu())), a=lin(6, 6), b=lin(6, 6), head=lin(6, 3))
    network.layers["b"].weight = network.layers["a"].weight
    return network


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "tied": (_tied, (6,), 2 * 36 + 18),
    "read by hand": (
        lambda: Of(lambda m, x: m["head"](F.linear(m["a"](x), m["a"].weight.T)), a=lin(6, 4), head=lin(6, 3)),
        (6,),
        2 * 24 + 18,
    ),
    "never called as a layer": (
        lambda: Of(lambda m, x: m["head"](x @ m["a"].weight[:2].T), a=lin(6, 4), head=lin(2, 3)),
        (6,),
        12 + 6,
    ),
    "called three times": (
        lambda: Of(lambda m, x: m["head"](m["a"](m["a"](m["a"](x)))), a=lin(6, 6), head=lin(6, 3)),
        (6,),
        3 * 36 + 18,
    ),
    "attention by hand": (
        lambda: Of(
            lambda m, x: m["head"]((m["q"](x) @ m["k"](x).mT).softmax(-1) @ x)[:, 0],
            q=lin(4, 4),
            k=lin(4, 4),
            head=lin(4, 3),
        ),
        (5, 4),
        5 * (16 + 16 + 12) + 2 * 5 * 5 * 4,
    ),
    "attention of torch": (
        lambda: Of(
            lambda m, x: m["head"](m["a"](x, x, x)[0][:, 0]),
            a=nn.MultiheadAttention(4, 2, batch_first=True, bias=False),
            head=lin(4, 3),
        ),
        (5, 4),
        4 * 5 * 16 + 2 * 5 * 5 * 4 + 12,
    ),
    "convolutions": (
        lambda: Of(
            lambda m, x: m["head"](m["up"](m["a"](x)).mean((2, 3))),
            a=nn.Conv2d(4, 6, 3, groups=2, stride=2),
            up=nn.ConvTranspose2d(6, 4, 2, groups=2),
            head=lin(4, 3),
        ),
        (4, 7, 7),
        9 * 6 * 2 * 9 + 9 * 6 * 2 * 4 + 12,
    ),
    "words": (
        lambda: Of(
            lambda m, x: m["head"](m["a"](x.abs().long().clamp(max=6)).sum(1)),
            a=nn.Embedding(7, 4),
            head=lin(4, 3),
        ),
        (5,),
        12,
    ),
}
RECURRENT: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "lstm both ways, twice": (
        lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True),
        7 * 2 * 20 * (4 + 5 + 10 + 5),
    ),
    "gru": (lambda: nn.GRU(4, 5, batch_first=True), 7 * 15 * 9),
    "plain": (lambda: nn.RNN(4, 5, batch_first=True), 7 * 5 * 9),
}


def subject_of(network: nn.Module, shape: tuple[int, ...]) -> Subject:
    items = np.random.default_rng(0).standard_normal((30, *shape)).astype(np.float32)
    return subject_from_network(seeded(network), Items(items, None), "counted")


def macs_of(model: Model) -> float | None:
    return costs(model, Store())["macs"].value


@pytest.mark.parametrize("kind", NETWORKS)
def test_macs_are_those_worked_out_by_hand(kind: str) -> None:
    make, shape, by_hand = NETWORKS[kind]
    assert macs_of(Model.original(subject_of(make(), shape))) == by_hand


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_macs_are_those_of_torchs_own_counter(kind: str) -> None:
    make, shape, by_hand = NETWORKS[kind]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        seeded(make())(torch.zeros(1, *shape))
    assert by_hand == counter.get_total_flops() // 2


@pytest.mark.parametrize("kind", RECURRENT)
def test_macs_of_recurrent_cells_count_every_time_step(kind: str) -> None:
    make, by_hand = RECURRENT[kind]
    network = Of(lambda m, x: m["head"](m["a"](x)[0][:, -1, :5]), a=make(), head=lin(5, 3))
    assert macs_of(Model.original(subject_of(network, (7, 4)))) == by_hand + 15


def test_a_weight_read_by_hand_counts_at_its_layer() -> None:
    make, shape, _ = NETWORKS["read by hand"]
    rows = layer_costs(Model.original(subject_of(make(), shape)), Store())
    assert {row.layer.name: row.macs for row in rows} == {"layers.a": 48, "layers.head": 18}


@pytest.mark.parametrize(
    ("operation", "does"),
    [
        ("aten::_cdist_forward", lambda m, x: m["head"](torch.cdist(x[None], m["a"].weight[None])[0])),
        ("aten::_trilinear", lambda m, x: m["head"](m["b"](x, m["a"](x)))),
        ("aten::_fft_r2c", lambda m, x: m["head"](torch.fft.rfft(m["a"](x)).real)),
    ],
)
def test_what_hides_its_products_is_not_measured(
    operation: str, does: Callable[[nn.ModuleDict, Tensor], Tensor]
) -> None:
    head = 3 if "fft" in operation else 4
    network = Of(does, a=lin(6, 4), b=nn.Bilinear(6, 4, 4, bias=False), head=lin(head, 3))
    found = multiplications(seeded(network), torch.ones(1, 6))
    assert (found.total, found.uncounted) == (None, operation)


def test_what_cannot_be_counted_says_why_and_gives_no_energy() -> None:
    network = Of(lambda m, x: m["head"](torch.fft.rfft(m["a"](x)).real), a=lin(6, 4), head=lin(3, 3))
    model = Model.original(subject_of(network, (6,)))
    number = costs(model, Store())["macs"]
    assert (number.value, number.reason) == (
        None,
        "The multiplications within aten::_fft_r2c cannot be counted.",
    )
    assert {n.value for n in energy_costs(model, Store()).values()} == {None}


@pytest.mark.parametrize(
    "recipe",
    [
        "layers: [{match: 'fc1', steps: [{technique: low_rank, rank: 4}]}]",
        "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.5}]}]",
        "groups: [{match: '*', steps: [{technique: magnitude, share_removed: 0.5}]}]",
    ],
)
def test_macs_follow_the_network_that_ships(recipe: str) -> None:
    store = Store()
    model = compress(loaded_sample("tabular"), read_recipe(recipe), store)
    assert costs(model, store)["macs"].value == multiplications(model.network(), torch.zeros(1, 30)).total
    assert costs(model, store)["macs"].value == sum(row.macs or 0 for row in layer_costs(model, store))


# Weights that share memory


class Tied(nn.Module):
    """Two layers that read one memory, in the same form or in another."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.enc, self.dec, self.head = lin(8, 8), lin(8, 8), lin(8, 3)
        forms = {
            "parameter": self.enc.weight,
            "same memory": nn.Parameter(self.enc.weight.data),
            "transposed": nn.Parameter(self.enc.weight.data.T),
            "some rows": nn.Parameter(self.enc.weight.data[2:6]),
        }
        self.dec.weight = forms[form]

    def forward(self, x: Tensor) -> Tensor:
        x = self.dec(self.enc(x).relu())
        return self.head(F.pad(x, (0, 8 - x.shape[1])))


FORMS = ("parameter", "same memory", "transposed", "some rows")


def tied(form: str) -> Subject:
    torch.manual_seed(0)
    items = np.random.default_rng(0).standard_normal((30, 8)).astype(np.float32)
    return subject_from_network(Tied(form).eval(), Items(items, None), "tied")


@pytest.mark.parametrize("form", FORMS)
def test_a_shared_weight_counts_once_everywhere(form: str) -> None:
    subject = tied(form)
    model = Model.original(subject)
    sizes = {row.name: row.number.value for row in counted_sizes(model)}
    assert subject.parameters == sizes["parameters"] == 64 + 24
    assert sizes["values"] == sizes["dense"] == 4 * (64 + 24)
    assert costs(model, Store())["bytes_values"].value == 4 * (64 + 24)


@pytest.mark.parametrize("form", FORMS)
def test_a_plain_file_holds_a_shared_weight_once_and_gives_both_back(form: str, tmp_path: Path) -> None:
    subject = tied(form)
    model = Model.original(subject)
    path = tmp_path / "plain.safetensors"
    assert write_container(model, path) == model.file_bytes == len(container_bytes(model)) < 4 * 88 + 500
    read = read_container(path, subject)
    assert torch.equal(read.dec.weight, subject.network.dec.weight)
    if form != "same memory":  # that one is the subject's, as long as nobody changes it
        assert read.dec.weight.untyped_storage().data_ptr() == read.enc.weight.untyped_storage().data_ptr()


@pytest.mark.parametrize("step", [None, Step.of("uniform", bits=4)], ids=["as loaded", "its neighbor coded"])
@pytest.mark.parametrize("form", FORMS)
def test_a_packed_file_holds_a_shared_weight_once_and_gives_both_back(
    form: str, step: Step | None, tmp_path: Path
) -> None:
    subject = tied(form)
    model = Model.original(subject) if step is None else compress(subject, rules(head=step), Store())
    path = tmp_path / "packed.slim"
    assert write_packed(model, path) < 4 * 88 + 200
    read, alone = read_packed(path, subject), read_packed_state(path).state
    assert same_state(model.network().state_dict(), alone)
    assert torch.equal(read.dec.weight, subject.network.dec.weight)
    assert read.dec.weight.untyped_storage().data_ptr() == read.enc.weight.untyped_storage().data_ptr()


def test_which_layers_share_is_said() -> None:
    assert [str(s) for s in tied("parameter").shared_weights] == [
        "enc and dec share one weight, which is counted once."
    ]
    assert "shares memory with enc in another form" in str(tied("transposed").untouched[1].reason)
    assert not tied("transposed").shared_weights


def test_values_that_several_tensors_reach_count_once() -> None:
    whole = torch.arange(12.0).view(3, 4)
    assert values_once([whole, whole.T, whole[1:], torch.ones(5)]) == 17
    assert values_once([whole[:2], whole[1:]]) == 12
    views = views_in({"rows": whole[1:], "whole": whole, "other": torch.ones(2)})
    assert torch.equal(views["rows"].seen_in(whole.clone()), whole[1:])
    assert set(views) == {"rows"}
