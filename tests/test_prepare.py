"""Preparations: the network computes the same, its norms are gone, its ranges are equal."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fusion

from compress_core.apply import prepare
from compress_core.apply.model import Model
from compress_core.apply.prepare import prepared
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.layers.places import read_matrix
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.cross_layer_equalization import cross_layer_equalization
from compress_core.techniques.fold_batch_norm import fold_batch_norm
from tests.subjects import everything_subject, loaded_sample, seeded, tiny_subject

FOLD = Step.of("fold_batch_norm")
EQUALIZE = Step.of("cross_layer_equalization")


def with_statistics(network: nn.Module) -> nn.Module:
    """Weights and running statistics as if trained."""
    seeded(network)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, values in network.named_buffers():
            if name.endswith("running_mean"):
                values.copy_(torch.randn(values.shape, generator=generator))
            if name.endswith("running_var"):
                values.copy_(0.2 + torch.rand(values.shape, generator=generator))
    return network


def in_double(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return copy.deepcopy(network).double()(inputs.double())


def assert_same_answers(subject: Subject, base: Subject) -> None:
    """To the rounding of float32 weights, on all inputs."""
    split = subject.split("validation").inputs[:100]
    inputs = torch.cat([split, subject.input.baseline, 5 * torch.randn_like(split)])
    got, want = in_double(base.network, inputs), in_double(subject.network, inputs)
    assert torch.allclose(got, want, rtol=1e-5, atol=1e-6 * float(want.abs().max()))


class Rows(nn.Module):
    """One layer and one norm in a row, then a head."""

    def __init__(self, layer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm = layer, norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layer(x)).relu().flatten(1)


PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(6, 4), lambda: nn.BatchNorm1d(4), (6,)),
    "linear without bias": (lambda: nn.Linear(6, 4, bias=False), lambda: nn.BatchNorm1d(4), (6,)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3), lambda: nn.BatchNorm1d(4), (2, 6)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, bias=False), lambda: nn.BatchNorm2d(4, affine=False), (2, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(1, 4, 2), lambda: nn.BatchNorm3d(4), (1, 3, 3, 3)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), lambda: nn.BatchNorm2d(6), (4, 5, 5)),
    "transposed": (lambda: nn.ConvTranspose2d(2, 4, 3), lambda: nn.BatchNorm2d(4), (2, 4, 4)),
    "grouped transposed": (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, groups=2, bias=False),
        lambda: nn.BatchNorm1d(6),
        (4, 5),
    ),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_a_norm_behind_any_kind_of_layer_goes_and_the_answers_stay(kind: str) -> None:
    layer, norm, shape = PAIRS[kind]
    subject = tiny_subject(with_statistics(Rows(layer(), norm())), shape)
    before = digest_of(subject.network)
    base = prepared(subject, (FOLD,), Store())
    assert base.structure.folded == (("layer", "norm"),)
    assert type(base.network.norm) is nn.Identity
    assert_same_answers(subject, base)
    assert list(base.by_name) == list(subject.by_name)
    assert digest_of(subject.network) == before
    assert base.digest != subject.digest


@pytest.mark.parametrize("kind", ["linear", "conv2d", "transposed"])
def test_folding_gives_the_weights_that_torch_fuses(kind: str) -> None:
    layer, norm, shape = PAIRS[kind]
    network = with_statistics(Rows(layer(), norm()))
    base = prepared(tiny_subject(network, shape), (FOLD,), Store())
    gain = network.norm.weight if network.norm.affine else torch.ones(4)
    offset = network.norm.bias if network.norm.affine else torch.zeros(4)
    bias = torch.zeros(4) if network.layer.bias is None else network.layer.bias
    statistics = network.norm.running_mean, network.norm.running_var, network.norm.eps, gain, offset
    if kind == "linear":
        weight, bias = fusion.fuse_linear_bn_weights(network.layer.weight, bias, *statistics)
    else:
        weight, bias = fusion.fuse_conv_bn_weights(
            network.layer.weight, bias, *statistics, transpose=kind == "transposed"
        )
    assert torch.allclose(base.network.layer.weight, weight, atol=1e-6)
    assert torch.allclose(base.network.layer.bias, bias, atol=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_folded_rows_compute_what_the_norm_made_of_them(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gain, offset, mean, outputs = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    variance = torch.rand(5, generator=generator, dtype=torch.float64)
    folded = fold_batch_norm(gain, offset, mean, variance, 1e-5)
    want = F.batch_norm(outputs[None], mean, variance, gain, offset, eps=1e-5)[0]
    assert torch.allclose(outputs * folded.scale + folded.shift, want)


class Elsewhere(nn.Module):
    """A norm that must stay, for one reason or another."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why
        self.layer, self.other, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:  # noqa: PLR0911 - one line for each reason
        first = self.layer(x)
        match self.why:
            case "read twice":
                return self.norm(first) + first
            case "a function between":
                return self.norm(first.relu())
            case "written to":
                return self.norm(first.mul_(2.0))
            case "read by hand":
                return self.norm(first + 0 * self.layer.weight.sum()) + self.layer.weight.sum()
            case "called twice":
                return self.norm(first) + self.norm(self.other(x))
            case "layer called twice":
                return self.norm(first) + self.layer(x * 2)
            case _:
                return self.norm(x) + self.other(first)


@pytest.mark.parametrize(
    "why",
    [
        "read twice",
        "a function between",
        "written to",
        "read by hand",
        "called twice",
        "layer called twice",
        "before",
    ],
)
def test_a_norm_that_others_depend_on_stays_and_nothing_to_fold_is_refused(why: str) -> None:
    subject = tiny_subject(with_statistics(Elsewhere(why)), (4,))
    with pytest.raises(Refused, match="No batch norm of Tiny stands directly behind"):
        prepared(subject, (FOLD,), Store())


def test_what_fails_the_proof_is_left_out_and_the_others_are_folded() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm_a = nn.Linear(4, 4), nn.BatchNorm1d(4)
            self.b, self.norm_b = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.norm_a(self.a(x)) * self.a.weight.sum()
            return self.norm_b(self.b(x))

    subject = tiny_subject(with_statistics(Both()), (4,))
    base = prepared(subject, (FOLD,), Store())
    assert base.structure.folded == (("b", "norm_b"),)
    assert_same_answers(subject, base)


def test_a_norm_over_another_axis_than_the_outputs_stays() -> None:
    subject = tiny_subject(with_statistics(Rows(nn.Linear(5, 5), nn.BatchNorm1d(5))), (5, 5))
    with pytest.raises(Refused, match="No batch norm"):
        prepared(subject, (FOLD,), Store())


@pytest.mark.slow
def test_all_seven_norms_of_the_residual_sample_go() -> None:
    subject = loaded_sample("resnet")
    base = prepared(subject, (FOLD,), Store())
    assert len(base.structure.folded) == 7
    assert not any(isinstance(m, nn.BatchNorm2d) for m in base.network.modules())
    assert_same_answers(subject, base)
    assert [layer.macs for layer in base.layers] == [layer.macs for layer in subject.layers]


def test_a_norm_behind_a_function_in_a_network_of_all_kinds_stays() -> None:
    with pytest.raises(Refused, match="No batch norm of Everything"):
        prepared(everything_subject(), (FOLD,), Store())


# Equalization -----------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(0, 3))
def test_after_equalization_both_ranges_are_the_root_of_their_product(seed: int, dead: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = 10 * torch.rand(2, 6, generator=generator)
    first[:dead] = 0
    factors = cross_layer_equalization(first, second).factors
    assert (factors > 0).all()
    assert torch.equal(factors[:dead], torch.ones(dead))
    root = (first * second).sqrt()[dead:]
    assert torch.allclose((first / factors)[dead:], root, rtol=1e-5)
    assert torch.allclose((second * factors)[dead:], root, rtol=1e-5)


CHAINS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[str, ...]]] = {
    "relu": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), (6,), ("0", "2")),
    "leaky": (lambda: nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(), nn.Linear(5, 3)), (6,), ("0", "2")),
    "nothing between": (lambda: nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), (6,), ("0", "1")),
    "flattened": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)),
        (1, 6, 6),
        ("0", "4"),
    ),
    "depthwise": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 1),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.ReLU(),
            nn.Conv2d(6, 3, 1),
            nn.Flatten(),
        ),
        (2, 4, 4),
        ("0", "2", "4"),
    ),
    "grouped transposed": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 3), nn.ReLU(), nn.ConvTranspose1d(4, 6, 3, groups=2), nn.Flatten()
        ),
        (2, 5),
        ("0", "2"),
    ),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_equalized_layers_compute_the_same_and_their_ranges_meet(kind: str) -> None:
    make, shape, names = CHAINS[kind]
    subject = tiny_subject(seeded(make()), shape)
    base = prepared(subject, (EQUALIZE,), Store())
    assert base.structure.rescaled == names
    assert_same_answers(subject, base)
    for first, second in itertools.pairwise(names):
        one = read_matrix(base.network, base.layer(first)).abs().amax(1)
        layer = base.layer(second)
        kernel = read_matrix(base.network, layer).view(layer.groups, -1, layer.kernel_shape[1:].numel())
        inputs = kernel.view(layer.groups, -1, layer.kernel_shape[1], layer.kernel_shape[2:].numel())
        two = inputs.abs().amax((1, 3)).flatten().view(len(one), -1).amax(1)
        assert torch.allclose(one, two, rtol=1e-3)


@pytest.mark.parametrize(
    "between",
    [nn.GELU(), nn.ReLU6(), nn.Sigmoid(), nn.Hardtanh(-3, 3), nn.Softshrink(1e-3), nn.BatchNorm1d(5)],
)
def test_a_function_that_does_not_pass_factors_on_is_found_out(between: nn.Module) -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 5), between, nn.Linear(5, 3)))
    with pytest.raises(Refused, match="no two layers in a row with nothing but functions"):
        prepared(tiny_subject(network, (6,)), (EQUALIZE,), Store())


class Fork(nn.Module):
    """The first layer's output goes to two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        return self.b(x) + self.c(x)


def test_an_output_that_two_layers_read_is_left_alone() -> None:
    with pytest.raises(Refused, match="no two layers in a row"):
        prepared(tiny_subject(seeded(Fork()), (6,)), (EQUALIZE,), Store())


@pytest.mark.slow
def test_equalization_needs_folded_norms_in_the_residual_sample() -> None:
    subject = loaded_sample("resnet")
    with pytest.raises(Refused, match="fold batch norms first"):
        prepared(subject, (EQUALIZE,), Store())
    base = prepared(subject, (FOLD, EQUALIZE), Store())
    assert "layer1.conv1" in base.structure.rescaled
    assert_same_answers(subject, base)


# In a recipe ------------------------------------------------------------------------------------------------


def _bits(name: str, *steps: Step) -> Model:
    every = Rule("*", (Step.of("uniform", bits=3),))
    return compress(loaded_sample(name), Recipe((every,), prepare=steps), Store())


def test_the_steps_of_layers_see_the_prepared_weights() -> None:
    model = _bits("resnet", FOLD)
    folded = read_matrix(model.base.network, model.base.layer("conv1"))
    assert torch.equal(model.compressed["conv1"].encoded[0].weight, folded)
    assert model.network().bn1.__class__ is nn.Identity
    assert not any(name.startswith("bn1.") for name in model.entries())


def test_a_prepared_subject_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store, subject = Store(), loaded_sample("lenet300")
    first = prepared(subject, (EQUALIZE,), store)
    monkeypatch.setattr(prepare, "_prepared", None)
    assert prepared(subject, (EQUALIZE,), store) is first
    assert prepared(subject, (), store) is subject


def test_a_network_that_does_not_run_in_float64_is_refused() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.a(torch.from_numpy(x.numpy().astype("float32"))))

    with pytest.raises(Refused, match=r"Tiny does not run in float64 \(.*\), so that nothing shows"):
        prepared(tiny_subject(seeded(Single()), (4,)), (FOLD,), Store())


def test_equalization_lowers_the_error_of_one_scale_for_the_whole_tensor() -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3)))
    with torch.no_grad():
        factors = torch.logspace(-2, 2, 32)
        network[0].weight.mul_(factors[:, None])
        network[0].bias.mul_(factors)
        network[2].weight.div_(factors)
    subject = tiny_subject(network, (6,), items=64)
    rule = Rule("*", (Step.of("uniform", bits=6, granularity="per_tensor"),))
    inputs = subject.split("validation").inputs
    errors = []
    for steps in ((), (EQUALIZE,)):
        model = compress(subject, Recipe((rule,), prepare=steps), Store())
        errors.append(float((model.network()(inputs) - network(inputs)).square().mean()))
    assert math.isfinite(errors[1])
    assert errors[1] < errors[0] / 10


def test_a_norm_whose_gain_is_out_of_bounds_is_not_worked_in() -> None:
    network = with_statistics(Rows(nn.Linear(6, 4), nn.BatchNorm1d(4)))
    with torch.no_grad():
        network.norm.weight.fill_(1e38)
        network.norm.running_var.fill_(1e-30)
    with pytest.raises(Refused, match="layer would get weights too large to store"):
        prepared(tiny_subject(network, (6,)), (FOLD,), Store())
