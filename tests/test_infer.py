"""Networks built from a state dict compute what the original computes, or the reason is said."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.best_candidate import best_candidate
from compress_core.loading.infer import InferredNetwork, network_candidates
from compress_core.loading.known_architecture import match_known
from compress_core.loading.upload import read_state
from compress_core.subject.answer_kind import AnswerKind

State = dict[str, Tensor]


def likeliest(state: State, *, input_shape: tuple[int, ...] | None = None) -> InferredNetwork:
    return network_candidates(state, input_shape=input_shape)[0]


class Named(nn.Module):
    """Steps one after the other; those with a name appear under it, the others leave no trace."""

    def __init__(self, *steps: tuple[str, nn.Module] | nn.Module) -> None:
        super().__init__()
        self._steps = [step[1] if isinstance(step, tuple) else step for step in steps]
        for step in steps:
            if isinstance(step, tuple):
                self.add_module(*step)

    def forward(self, values: Tensor) -> Tensor:
        for step in self._steps:
            values = step(values)
        return values


def mlp() -> nn.Module:
    return Named(
        ("fc1", nn.Linear(12, 8)), nn.ReLU(), ("fc2", nn.Linear(8, 8)), nn.ReLU(), ("fc3", nn.Linear(8, 3))
    )


def mlp_with_norms() -> nn.Module:
    return nn.Sequential(
        nn.Linear(12, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3),
    )  # fmt: skip


def long_mlp() -> nn.Module:
    return nn.Sequential(
        *(layer for _ in range(12) for layer in (nn.Linear(6, 6), nn.ReLU())), nn.Linear(6, 3)
    )


def lenet() -> nn.Module:
    return Named(
        ("conv1", nn.Conv2d(1, 4, 5)), nn.ReLU(), nn.MaxPool2d(2),
        ("conv2", nn.Conv2d(4, 6, 5)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        ("fc1", nn.Linear(96, 20)), nn.ReLU(), ("fc2", nn.Linear(20, 10)),
    )  # fmt: skip


def classic_lenet() -> nn.Module:
    return Named(
        ("c1", nn.Conv2d(1, 6, 5, padding=2)), nn.ReLU(), nn.MaxPool2d(2),
        ("c2", nn.Conv2d(6, 16, 5)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        ("f1", nn.Linear(400, 20)), nn.ReLU(), ("f2", nn.Linear(20, 10)),
    )  # fmt: skip


def pytorch_example() -> nn.Module:
    return Named(
        ("conv1", nn.Conv2d(1, 4, 3)), nn.ReLU(), ("conv2", nn.Conv2d(4, 8, 3)), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), ("fc1", nn.Linear(8 * 12 * 12, 9)), nn.ReLU(), ("fc2", nn.Linear(9, 10)),
    )  # fmt: skip


def vgg() -> nn.Module:
    def convolution(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    features = [
        *convolution(3, 4),
        *convolution(4, 4),
        nn.MaxPool2d(2),
        *convolution(4, 8),
        *convolution(8, 8),
    ]
    return nn.Sequential(
        # Twelve and more entries, so that 10 sorts before 3.
        _children(features=nn.Sequential(*features, nn.MaxPool2d(2), *convolution(8, 8), nn.MaxPool2d(2))),
        nn.Flatten(),
        _children(classifier=nn.Sequential(nn.Dropout(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 5))),
    )


def _children(**modules: nn.Module) -> nn.Module:
    return Named(*modules.items())


def gap_by_number() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


def gap_by_name() -> nn.Module:
    return Named(
        ("stem", nn.Conv2d(3, 4, 3)), nn.ReLU(), ("trunk", nn.Conv2d(4, 8, 3)), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), ("head", nn.Linear(8, 5)),
    )  # fmt: skip


def norms_named_apart() -> nn.Module:
    return Named(
        ("conv1", nn.Conv2d(1, 4, 3, padding=1)), ("bn1", nn.BatchNorm2d(4)), nn.ReLU(), nn.MaxPool2d(2),
        ("conv2", nn.Conv2d(4, 4, 3, padding=1)), ("bn2", nn.BatchNorm2d(4)), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), ("fc1", nn.Linear(196, 4)), ("bn3", nn.BatchNorm1d(4)), nn.ReLU(),
        ("fc2", nn.Linear(4, 3)),
    )  # fmt: skip


def norm_of_the_first_of_two() -> nn.Module:
    return Named(
        ("conv1", nn.Conv2d(1, 4, 3)), ("norm1", nn.BatchNorm2d(4)), nn.ReLU(), nn.MaxPool2d(2),
        ("conv2", nn.Conv2d(4, 4, 3)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), ("out", nn.Linear(100, 3)),
    )  # fmt: skip


def norm_of_the_second_of_two() -> nn.Module:
    return Named(
        ("conv1", nn.Conv2d(1, 4, 3)), nn.ReLU(), nn.MaxPool2d(2),
        ("conv2", nn.Conv2d(4, 4, 3)), ("bn2", nn.BatchNorm2d(4)), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), ("fc", nn.Linear(100, 3)),
    )  # fmt: skip


def equal_numbers_in_two_containers() -> nn.Module:
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    head = nn.Sequential(nn.Flatten(), nn.Linear(676, 4), nn.ReLU(), nn.Linear(4, 3))
    return Named(("features", features), ("head", head))


def hidden_first_by_name() -> nn.Module:
    return Named(
        ("input", nn.Linear(12, 8)),
        nn.ReLU(),
        ("hidden", nn.Linear(8, 6)),
        nn.ReLU(),
        ("head", nn.Linear(6, 3)),
    )


IDENTIFIABLE: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (mlp, (12,)),
    (mlp_with_norms, (12,)),
    (long_mlp, (6,)),
    (hidden_first_by_name, (12,)),
    (lenet, (1, 28, 28)),
    (classic_lenet, (1, 28, 28)),
    (pytorch_example, (1, 28, 28)),
    (vgg, (3, 32, 32)),
    (norms_named_apart, (1, 28, 28)),
    (norm_of_the_first_of_two, (1, 28, 28)),
    (norm_of_the_second_of_two, (1, 28, 28)),
    (equal_numbers_in_two_containers, (1, 28, 28)),
]


def trained(make: Callable[[], nn.Module]) -> nn.Module:
    """A network whose batch norms are no identity."""
    torch.manual_seed(0)
    network = make()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return network.eval()


def as_uploaded(network: nn.Module) -> State:
    """Through a safetensors file, which forgets the order."""
    return dict(read_state(safetensors.torch.save(network.state_dict()), "m.safetensors").tensors)


@torch.no_grad()
def assert_same_function(found: nn.Module, original: nn.Module, shape: Sequence[int]) -> None:
    inputs = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(found(inputs), original(inputs))


@pytest.mark.parametrize(
    "uploaded", [lambda network: dict(network.state_dict()), as_uploaded], ids=["pt", "safetensors"]
)
@pytest.mark.parametrize(("make", "shape"), IDENTIFIABLE, ids=lambda value: getattr(value, "__name__", None))
def test_an_identifiable_network_computes_what_the_original_computes(
    make: Callable[[], nn.Module], shape: tuple[int, ...], uploaded: Callable[[nn.Module], State]
) -> None:
    original = trained(make)
    inferred = likeliest(uploaded(original), input_shape=shape)
    assert_same_function(inferred.network, original, shape)
    assert inferred.input_shape == shape
    assert inferred.classes == original(torch.zeros(2, *shape)).shape[1]


@pytest.mark.parametrize(("make", "shape"), IDENTIFIABLE, ids=lambda value: getattr(value, "__name__", None))
def test_the_built_network_has_exactly_the_names_and_values_of_the_state(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    state = trained(make).state_dict()
    found = likeliest(state, input_shape=shape).network.state_dict()
    assert set(found) == set(state)
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_a_gap_network_numbered_in_a_sequential_is_told_by_its_numbers() -> None:
    original = trained(gap_by_number)
    inferred = likeliest(as_uploaded(original), input_shape=(3, 32, 32))
    fits = network_candidates(as_uploaded(original), input_shape=(3, 32, 32))
    assert [_same_scores(one.network, original, (3, 32, 32)) for one in fits] == [True] + [False] * (
        len(fits) - 1
    )
    assert inferred.alternatives == len(fits) - 1 > 0
    assert f"{inferred.alternatives} other arrangements" in inferred.description
    assert "the average over all pixels" in inferred.description


@torch.no_grad()
def _same_scores(found: nn.Module, original: nn.Module, shape: Sequence[int]) -> bool:
    inputs = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1))
    return torch.allclose(found(inputs), original(inputs), atol=1e-5)


def test_labeled_items_pick_the_arrangement_that_the_shapes_leave_open() -> None:
    original = trained(gap_by_name)
    inputs = torch.randn(200, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        original.get_parameter("head.bias").sub_(original(inputs).mean(0))  # every class occurs
        labels = original(inputs).argmax(1)
    fits = network_candidates(as_uploaded(original), input_shape=(3, 16, 16))
    assert not _same_scores(fits[0].network, original, (3, 16, 16))
    chosen = best_candidate(fits, inputs, labels)
    assert_same_function(chosen.network, original, (3, 16, 16))
    assert "most labels right: 200 of 200; the next best gets" in chosen.description
    assert "validation items themselves chose" in chosen.remarks.warnings[0]


def test_labels_that_tell_no_arrangement_apart_are_no_reason_for_one() -> None:
    fits = network_candidates(trained(gap_by_number).state_dict(), input_shape=(3, 32, 32))
    items = torch.zeros(1, 3, 32, 32)
    for labels, kind in (
        (torch.tensor([99]), AnswerKind.SCORES),
        (torch.full((1, fits[0].classes), torch.inf), AnswerKind.VALUES),
    ):
        chosen = best_candidate(fits, items, labels, kind)
        assert f"The labels do not tell the {len(fits)} arrangements apart" in chosen.description
        assert not chosen.remarks.warnings
        assert "Chosen" not in chosen.description


def test_among_equally_good_candidates_the_likeliest_is_chosen() -> None:
    fits = network_candidates(trained(gap_by_number).state_dict(), input_shape=(3, 32, 32))
    chosen = best_candidate(fits, torch.zeros(1, 3, 32, 32), torch.tensor([99]))
    assert chosen.arrangement == fits[0].arrangement


def test_items_of_another_shape_are_refused_with_both_shapes() -> None:
    fits = network_candidates(trained(lenet).state_dict(), input_shape=(1, 28, 28))
    with pytest.raises(Refused, match=re.escape("shape [1, 8, 8]; the network takes [1, 28, 28]")):
        best_candidate(fits, torch.zeros(2, 1, 8, 8), torch.zeros(2))


def test_an_mlp_takes_images_whose_values_are_as_many() -> None:
    original = trained(mlp)
    inferred = likeliest(original.state_dict(), input_shape=(1, 3, 4))
    inputs = torch.randn(5, 1, 3, 4)
    torch.testing.assert_close(inferred.network(inputs), original(inputs.flatten(1)))
    assert best_candidate([inferred], inputs, torch.zeros(5)).input_shape == (1, 3, 4)


@pytest.mark.parametrize(("make", "shape"), [(lenet, (1, 28, 28)), (mlp, (12,)), (vgg, (3, 32, 32))])
def test_without_an_input_shape_usual_sizes_are_tried(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    original = trained(make)
    inferred = likeliest(as_uploaded(original))
    assert inferred.input_shape == shape
    assert_same_function(inferred.network, original, shape)


def test_images_without_a_channel_axis_are_of_one_channel() -> None:
    assert likeliest(trained(lenet).state_dict(), input_shape=(28, 28)).input_shape == (1, 28, 28)


def test_the_description_says_what_is_assumed() -> None:
    description = likeliest(trained(lenet).state_dict(), input_shape=(1, 28, 28)).description
    for words in (
        "4, 6 channels",
        "20, 10 outputs",
        "ReLU",
        "stride 1",
        "no padding",
        "max pooling after each",
    ):
        assert words in description
    assert (
        "Plain MLP 12-8-8-3, batch norm behind 2 of them"
        in likeliest(trained(mlp_with_norms).state_dict()).description
    )


def test_the_network_shares_no_memory_with_the_state_and_candidates_do() -> None:
    state = trained(gap_by_number).state_dict()
    items, labels = torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64)
    inferred = best_candidate(network_candidates(state, input_shape=(3, 32, 32)), items, labels).network
    assert inferred.get_parameter("0.weight").data_ptr() != state["0.weight"].data_ptr()
    fits = network_candidates(state, input_shape=(3, 32, 32))
    assert {one.network.get_parameter("0.weight").data_ptr() for one in fits} == {
        state["0.weight"].data_ptr()
    }


def test_building_leaves_the_global_random_numbers_alone() -> None:
    state = trained(vgg).state_dict()
    before = torch.get_rng_state()
    likeliest(state, input_shape=(3, 32, 32))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_replaced_layer_takes_effect() -> None:
    network = likeliest(trained(vgg).state_dict(), input_shape=(3, 32, 32)).network
    network.get_submodule("2.classifier").add_module("3", nn.Linear(16, 7))
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_the_same_state_gives_the_same_candidates_again() -> None:
    state = as_uploaded(trained(gap_by_number))
    first, second = (network_candidates(state, input_shape=(3, 32, 32)) for _ in range(2))
    assert [one.arrangement for one in first] == [one.arrangement for one in second]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=7), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_any_mlp_named_in_order_is_rebuilt_from_shuffled_tensors(
    widths: list[int], chance: random.Random
) -> None:
    widths = [*widths, 3]
    layers = [(f"fc{index}", nn.Linear(a, b)) for index, (a, b) in enumerate(pairwise(widths))]
    moves: list[tuple[str, nn.Module] | nn.Module] = []
    for pair in layers:
        moves += [pair, nn.ReLU()]
    original = Named(*moves[:-1])
    names = list(original.state_dict())
    chance.shuffle(names)
    state = {name: original.state_dict()[name] for name in names}
    assert_same_function(likeliest(state).network, original, (widths[0],))


# What is refused


def weights(**shapes: tuple[int, ...]) -> State:
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("state", "shape", "reason"),
    [
        (
            dict(nn.Sequential(nn.LSTM(3, 4)).state_dict()),
            None,
            "'0.weight_ih_l0' belongs to a recurrent layer",
        ),
        (
            dict(nn.Sequential(nn.GRUCell(3, 4)).state_dict()),
            None,
            "'0.weight_ih' belongs to a recurrent layer",
        ),
        (
            dict(nn.TransformerEncoderLayer(4, 2).state_dict()),
            None,
            "'self_attn.in_proj_weight' belongs to an attention",
        ),
        (
            dict(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)).state_dict()),
            None,
            "as in a layer or group norm",
        ),
        (dict(nn.Sequential(nn.Conv1d(3, 4, 3)).state_dict()), None, "a convolution over 1 axes"),
        (dict(nn.Sequential(nn.Conv3d(3, 4, 3)).state_dict()), None, "a convolution over 3 axes"),
        (
            dict(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))).state_dict()),
            None,
            "several",
        ),
        (dict(nn.Sequential(nn.PReLU(), nn.Linear(3, 4)).state_dict()), None, "'0.weight'"),
        (dict(nn.Linear(3, 4).state_dict()), None, "'weight' belongs to no layer"),
        (
            weights(fc1__weight=(4, 3), fc2__weight=(2, 5)),
            None,
            "'fc2' takes 5 inputs, but 'fc1' before it gives 4",
        ),
        (
            weights(a__weight=(8, 3, 3, 3), b__weight=(8, 1, 3, 3), c__weight=(2, 8)),
            None,
            "grouped convolutions",
        ),
        (weights(a__weight=(8, 3, 3, 3)), None, "last layer 'a' is a convolution"),
        (weights(a__weight=(1, 3)), None, "'a' has one output"),
        (weights(a__weight=(2, 3), a__extra=(2,)), None, "'a.extra' belongs to no linear layer"),
        (weights(a__weight=(2, 3), a__bias=(3,)), None, "'a.weight' belongs to no linear layer"),
        (weights(a__weight=(2, 3), a__b__weight=(2, 2)), None, "belongs to no linear layer"),
        (weights(a__bias=(2,)), None, "layer or group norm"),
        (weights(type__weight=(2, 3)), None, "'type' is a name that PyTorch uses itself"),
        (weights(forward__0__weight=(2, 3)), None, "'forward' is a name that PyTorch uses itself"),
        (weights(a__weight=(2, 3), n__running_mean=(5,), n__running_var=(5,)), None, "'n' has 5 features"),
        (
            weights(a__weight=(2, 3), n__running_mean=(2,), n__running_var=(3,)),
            None,
            "belongs to no linear layer",
        ),
        (weights(layer1__0__conv1__weight=(3, 3, 3, 3), fc__weight=(2, 3)), None, "part of a residual block"),
        (weights(shortcut__weight=(3, 3, 3, 3), fc__weight=(2, 3)), None, "part of a residual block"),
        (weights(**{f"l{index}__weight": (3, 3) for index in range(65)}), None, "holds 65 layers"),
        (weights(**{f"l{index}__weight": (3, 3) for index in range(4000)}), None, "holds 4000 layers"),
        ({}, None, "holds 0 layers"),
        (dict(mlp().state_dict()), (13,), "takes 12 values, but an item of shape [13] has 13"),
        (dict(lenet().state_dict()), (3, 28, 28), "images with 1 channels"),
        (dict(lenet().state_dict()), (784,), "an item has shape [784]"),
        (dict(lenet().state_dict()), (1, 50, 50), "images of shape [1, 50, 50] give another number"),
        (dict(lenet().state_dict()), (1, 2, 2), "images of shape [1, 2, 2] give another number"),
        (dict(lenet().state_dict()), (1, 10**6, 10**6), "with 10,000,000 values at most"),
        (dict(lenet().state_dict()), (1, 0, 28), "values at most"),
        (dict(gap_by_number().state_dict()), None, "size of the images cannot be told"),
    ],
)
def test_what_is_no_plain_network_is_refused_with_the_reason(
    state: State, shape: tuple[int, ...] | None, reason: str
) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        likeliest(state, input_shape=shape)


def test_layers_that_fit_in_many_wrong_orders_are_refused_in_bounded_time() -> None:
    """Each circle of equal layers can be walked in any order, and none leads to the other."""
    circles = {
        f"{circle}{index}__weight": (width, width)
        for circle, width in (("a", 3), ("b", 4))
        for index in range(30)
    }
    with pytest.raises(Refused, match=r"fit together in no order|no other order"):
        likeliest(weights(**circles))


@pytest.mark.slow
@given(
    st.dictionaries(
        st.from_regex(r"[a-c](\.[0-2])?\.(weight|bias|running_mean|running_var)", fullmatch=True),
        st.lists(st.integers(1, 4), max_size=4),
        max_size=8,
    ),
    st.none() | st.lists(st.integers(1, 8), min_size=1, max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_any_state_is_built_or_refused(shapes: dict[str, list[int]], input_shape: list[int] | None) -> None:
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    try:
        found = likeliest(state, input_shape=tuple(input_shape) if input_shape else None)
    except Refused:
        return
    assert found.network(torch.zeros(2, *found.input_shape)).shape == (2, found.classes)


# Known architectures


def test_a_known_architecture_is_told_by_its_names_and_shapes() -> None:
    known = {
        make.__name__: {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}
        for make in (mlp, lenet, vgg)
    }
    assert match_known(as_uploaded(lenet()), known) == "lenet"
    assert match_known(classic_lenet().state_dict(), known) is None
    state = lenet().state_dict()
    state.pop("fc2.bias")
    assert match_known(state, known) is None
