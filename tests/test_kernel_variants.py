"""A layer in another variant computes the same; variants are chosen by a clock, here one turned by hand."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.apply.run import compress
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.measure.speed.kernel_variants import (
    KernelVariant,
    choose_kernel_variants,
    layers_alone,
    with_kernel_variants,
)
from compress_core.measure.speed.kernels import (
    CsrProduct,
    CsrSums,
    GatheredConvolution,
    GatheredLinear,
    Int8Rows,
    Unfolded,
    csr32,
    int8_rows,
)
from compress_core.measure.speed.rounds import Effort, Watch
from compress_core.network.layers.matrix_sites import ConvolutionWindow, find_pairs, find_sites, input_of
from compress_core.recipe.values import Step
from tests.subjects import loaded_sample, mlp_subject, rules, seeded

QUICK = Effort(rounds_least=2, rounds_most=2, seconds=0.0, turn=0.0)


def sparse(rows: int, columns: int, zeros: float, seed: int = 0) -> Tensor:
    """A matrix with about that share of zeros."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    return matrix * (torch.rand(rows, columns, generator=generator) >= zeros)


def assert_close(found: Tensor, expected: Tensor) -> None:
    """Equal up to the rounding that another order of sums makes."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


class Turned:
    """A clock that moves by the cost of whatever form runs, and a machine with nothing else to do."""

    def __init__(self, costs: Mapping[type[nn.Module], float]) -> None:
        self.now, self.costs = 0.0, costs

    def hook(self, module: nn.Module, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():  # not what a page before left to be done
            self.now += self.costs.get(type(module), 0.0)

    @property
    def watch(self) -> Watch:
        return Watch(lambda: self.now, lambda: self.now, lambda: 0.0, 2)


@pytest.fixture
def turned() -> Turned:
    return Turned({nn.Linear: 3.0, CsrProduct: 2.0, CsrSums: 1.0, GatheredLinear: 4.0, Int8Rows: 5.0})


@pytest.mark.parametrize("kind", [CsrProduct, CsrSums, GatheredLinear])
@pytest.mark.parametrize("shape", [(1, 5), (7, 5), (2, 3, 5)])
@pytest.mark.parametrize("zeros", [0.0, 0.6, 1.0])
def test_every_variant_of_a_matrix_computes_what_the_dense_one_does(
    kind: type[nn.Module], shape: tuple[int, ...], zeros: float
) -> None:
    matrix, x = sparse(4, 5, zeros), torch.randn(shape)
    for bias in (None, torch.arange(4.0)):
        with torch.inference_mode():
            assert_close(kind(matrix, bias)(x), nn.functional.linear(x, matrix, bias))


@given(st.integers(1, 6), st.integers(1, 9), st.floats(0, 1), st.integers(1, 5), st.integers(0, 99))
def test_variants_agree_on_any_pattern(rows: int, columns: int, zeros: float, items: int, seed: int) -> None:
    matrix, x = sparse(rows, columns, zeros, seed), torch.randn(items, columns)
    with torch.inference_mode():
        for kind in (CsrProduct, CsrSums, GatheredLinear):
            assert_close(kind(matrix, None)(x), x @ matrix.T)


def test_a_sparse_variant_can_be_trained_through_and_shared_by_a_copy() -> None:
    matrix, x = sparse(4, 5, 0.5), torch.randn(3, 5, requires_grad=True)
    CsrSums(matrix, None)(x).sum().backward()
    assert x.grad is not None
    assert_close(x.grad, matrix.sum(0).expand(3, 5))
    network = nn.Sequential(CsrProduct(matrix, None))
    with torch.inference_mode():
        assert_close(with_kernel_variants(network, {})(x), x @ matrix.T)


def test_indices_take_32_bits_each() -> None:
    starts, columns, values = csr32(sparse(30, 40, 0.9))
    assert starts.dtype == columns.dtype == torch.int32
    assert values.all()
    assert len(starts) == 31


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(3, 4, 1),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 4, (3, 2), stride=2, padding=(0, 1), bias=False),
        nn.Conv2d(3, 4, 3, dilation=2),
        nn.Conv2d(3, 4, 1, stride=2),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [CsrProduct, CsrSums])
def test_an_unfolded_convolution_computes_what_the_convolution_does(conv: nn.Conv2d, kind: type) -> None:
    seeded(conv)
    with torch.no_grad():
        conv.weight.mul_(conv.weight.abs() > 0.2)
        conv.weight[2] = 0
        conv.weight[:, 1] = 0
    site = find_sites(nn.Sequential(conv))[0]
    assert isinstance(site.window, ConvolutionWindow)
    x = torch.randn(2, 3, 9, 8)
    with torch.inference_mode():
        assert_close(Unfolded(kind(site.matrix, site.bias), site.window)(x), conv(x))
        gathered = GatheredConvolution(site, site.window)
        assert_close(gathered(x), conv(x))
    assert gathered.kernel.shape[:2] == (3, 2)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_on_an_int8_grid_are_found_and_multiplied(bits: int) -> None:
    high = 2 ** (bits - 1) - 1
    codes = torch.randint(-high, high + 1, (20, 33), generator=torch.Generator().manual_seed(1))
    codes[3], codes[4, 5] = 0, -high - 1
    matrix = codes * torch.rand(20, 1) / 7
    found = int8_rows(matrix)
    assert found is not None
    assert_close(found[0] * found[1][:, None], matrix)
    x = torch.randn(5, 33)
    with torch.inference_mode():
        assert_close(Int8Rows(*found, torch.ones(20))(x), x @ matrix.T + 1)


def test_a_byte_has_no_room_for_as_many_steps_above_zero_as_below() -> None:
    above = torch.arange(-127.0, 129.0)[None]
    assert int8_rows(above) is None
    assert int8_rows(-above) is not None


def test_plain_weights_are_on_no_int8_grid() -> None:
    assert int8_rows(torch.randn(20, 40, generator=torch.Generator().manual_seed(2))) is None


def test_the_variant_that_the_clock_calls_fastest_is_chosen(
    turned: Turned,
) -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    with torch.no_grad():
        network[0].weight.mul_(sparse(5, 6, 0.7, 3) != 0)
    handle = nn.modules.module.register_module_forward_hook(turned.hook)
    try:
        steps = list(choose_kernel_variants(network, torch.randn(4, 6), turned.watch, effort=QUICK))
        table = result_of(choose_kernel_variants(network, torch.randn(4, 6), turned.watch, effort=QUICK))
    finally:
        handle.remove()
    assert [(step.done, step.total) for step in steps if isinstance(step, Progress)] == [(0, 2), (1, 2)]
    assert dict(table.choice) == {"0": KernelVariant.CSR_SUMS}
    first = {row.variant: row for row in table.rows if row.layer == "0"}
    assert first[KernelVariant.CSR_SUMS].ratio.value == 3
    assert first[KernelVariant.CSR].ratio.value == 1.5
    assert "another kernel variant is faster still" in first[KernelVariant.CSR].reason
    assert (
        "not surely faster" in first[KernelVariant.GATHERED].reason
        or first[KernelVariant.GATHERED].ratio.reason
    )
    last = {row.variant: row for row in table.rows if row.layer == "2"}
    assert last[KernelVariant.DENSE].chosen
    assert last[KernelVariant.CSR].milliseconds.reason == "0.0% of its weights are zero"
    assert table.layers_ratio.value == 6 / 4


@pytest.mark.parametrize(
    ("other", "chosen"), [(4.0, KernelVariant.DENSE), (2.9, KernelVariant.DENSE), (2.0, KernelVariant.CSR)]
)
def test_a_variant_that_is_slower_or_hardly_faster_leaves_the_layer_dense(
    other: float, chosen: KernelVariant
) -> None:
    clock = Turned({nn.Linear: 3.0, CsrProduct: other, CsrSums: 9.0, GatheredLinear: 9.0})
    network = nn.Sequential(nn.Linear(6, 5))
    with torch.no_grad():
        network[0].weight.mul_(sparse(5, 6, 0.7, 3) != 0)
    handle = nn.modules.module.register_module_forward_hook(clock.hook)
    try:
        table = result_of(choose_kernel_variants(network, torch.randn(4, 6), clock.watch, effort=QUICK))
    finally:
        handle.remove()
    assert [row.variant for row in table.rows if row.chosen] == [chosen]
    assert bool(table.choice) == (chosen is not KernelVariant.DENSE)
    assert (table.layers_ratio.value is None) == (chosen is KernelVariant.DENSE)


def test_a_network_with_variants_answers_as_before_and_leaves_the_given_one_alone() -> None:
    recipe = rules(any=Step.of("magnitude", sparsity=0.95))
    subject = loaded_sample("lenet300")
    network = compress(subject, recipe, Store()).network()
    items = subject.split("validation").inputs[:64]
    choice = {"fc1": KernelVariant.CSR_SUMS, "fc2": KernelVariant.CSR, "fc3": KernelVariant.GATHERED}
    formed = with_kernel_variants(network, choice)
    with torch.inference_mode():
        assert_close(formed(items), network(items))
    assert isinstance(formed.get_submodule("fc1"), CsrSums)
    assert isinstance(network.get_submodule("fc1"), nn.Linear)


@pytest.mark.parametrize("name", ["lenet5", "resnet", "vit", "tabular"])
def test_sparse_variants_of_every_layer_of_a_sample_answer_as_before(name: str) -> None:
    subject = loaded_sample(name)
    network = compress(subject, rules(any=Step.of("magnitude", sparsity=0.8)), Store()).network()
    items = subject.split("validation").inputs[:3]
    formed = with_kernel_variants(
        network, {s.name: KernelVariant.CSR for s in find_sites(network) if not s.reason}
    )
    with torch.inference_mode():
        assert_close(formed(items), network(items))
    assert any(isinstance(module, CsrProduct) for module in formed.modules())


def test_a_factored_layer_is_multiplied_out_where_one_layer_is_faster(turned: Turned) -> None:
    model = compress(mlp_subject(), rules(fc1=Step.of("low_rank", rank=5)), Store())
    network, items = model.network(), torch.randn(4, 6)
    assert set(find_pairs(network)) == {"fc1"}
    handle = nn.modules.module.register_module_forward_hook(turned.hook)
    try:
        table = result_of(choose_kernel_variants(network, items, turned.watch, effort=QUICK))
    finally:
        handle.remove()
    assert table.choice["fc1"] is KernelVariant.DENSE
    formed = with_kernel_variants(network, table.choice)
    assert isinstance(formed.get_submodule("fc1"), nn.Linear)
    with torch.inference_mode():
        assert_close(formed(items), network(items))


def test_a_factored_convolution_is_multiplied_out_to_the_same() -> None:
    model = compress(loaded_sample("lenet5"), rules(any=Step.of("low_rank", rank=2)), Store())
    network = model.network()
    items = model.subject.split("validation").inputs[:2]
    formed = with_kernel_variants(network, dict.fromkeys(find_pairs(network), KernelVariant.DENSE))
    assert sum(isinstance(m, nn.Conv2d) for m in formed.modules()) == 2
    with torch.inference_mode():
        assert_close(formed(items), network(items))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "grouped"),
        (nn.Conv2d(4, 4, 3, padding="same"), "padding"),
        (nn.Conv1d(4, 4, 3), "two-dimensional"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), "computation of its own"),
    ],
    ids=["grouped", "padding", "conv1d", "weight norm"],
)
def test_what_only_runs_as_it_is_says_why(module: nn.Module, reason: str) -> None:
    sites = [site for site in find_sites(nn.Sequential(module)) if site.name == "0"]
    assert [reason in site.reason for site in sites] == [True]


def test_projections_inside_attention_are_left_alone() -> None:
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert [site.name for site in find_sites(network)] == ["linear1", "linear2"]
    with torch.no_grad():
        for layer in (network.linear1, network.linear2):
            layer.weight[3:] = 0
    formed = with_kernel_variants(
        network.eval(), {"linear1": KernelVariant.CSR, "linear2": KernelVariant.CSR}
    )
    tokens = torch.randn(2, 5, 8)
    with torch.inference_mode():
        assert_close(formed(tokens), network(tokens))


def test_a_layer_that_is_not_called_stays_dense_and_says_so(turned: Turned) -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.read = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(self.used(x), self.read.weight)

    table = result_of(choose_kernel_variants(ByHand().eval(), torch.randn(2, 6), turned.watch, effort=QUICK))
    row = next(row for row in table.rows if row.layer == "read")
    assert (row.variant, row.chosen, row.reason) == (
        KernelVariant.DENSE,
        True,
        "it is not called as a module",
    )


def test_layers_alone_run_on_what_each_gets() -> None:
    network, seen = seeded(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))), []
    run = layers_alone(network, ["0", "1", "gone"], torch.randn(4, 6))
    for layer in network:
        layer.register_forward_hook(lambda _module, given, _out: seen.append(given[0].shape))
    run()
    assert seen == [(4, 6), (4, 5)]
    assert input_of(network, "1", torch.randn(4, 6)).shape == (4, 5)
