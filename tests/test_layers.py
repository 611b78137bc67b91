"""Every kind of layer: how its weight is read and written, what it costs, how it is factored."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from torch.utils.flop_counter import FlopCounterMode

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.attention import PlainAttention
from compress_core.network.layers.factors import axes_of, multiplied_out, shipped, small_layers, write_factors
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.macs import count_macs
from compress_core.network.layers.places import read_kernel, read_matrix, write_matrix
from compress_core.network.shared_copy import digest_of, shared_copy
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.statistics.mode_vectors import mode_vectors
from compress_core.statistics.singular_vectors import singular_vectors
from compress_core.statistics.spatial_vectors import spatial_vectors
from compress_core.techniques.low_rank import low_rank
from compress_core.techniques.spatial import spatial
from compress_core.techniques.tucker import tucker
from tests.subjects import Everything, everything_subject, seeded

Make = Callable[[], nn.Module]
# id: module, shape of one item, multiply-accumulates counted by hand
KINDS: dict[str, tuple[Make, tuple[int, ...], int]] = {
    "linear": (lambda: nn.Linear(5, 7), (3, 5), 3 * 35),
    "linear without bias": (lambda: nn.Linear(5, 7, bias=False), (5,), 35),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=1), (4, 9), 9 * 72),
    "conv1d strided dilated": (lambda: nn.Conv1d(4, 6, 3, stride=2, dilation=2), (4, 11), 4 * 72),
    "conv1d same": (lambda: nn.Conv1d(4, 6, 4, padding="same", dilation=2), (4, 9), 9 * 96),
    "conv2d": (lambda: nn.Conv2d(3, 5, (3, 2), stride=(2, 1)), (3, 7, 5), 3 * 4 * 90),
    "conv2d grouped circular": (
        lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1, padding_mode="circular"),
        (4, 5, 5),
        25 * 108,
    ),
    "conv2d reflect": (lambda: nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), (2, 4, 4), 16 * 72),
    "conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, bias=False), (4, 5, 5), 9 * 72),
    "conv3d": (lambda: nn.Conv3d(2, 4, 2), (2, 3, 3, 3), 8 * 64),
    "conv3d grouped": (lambda: nn.Conv3d(4, 4, (1, 2, 2), groups=2), (4, 2, 3, 3), 2 * 4 * 32),
    "transposed conv1d": (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1, padding=1),
        (4, 5),
        5 * 72,
    ),
    "transposed conv2d grouped": (
        lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2),
        (4, 3, 3),
        9 * 108,
    ),
    "transposed conv2d depthwise": (
        lambda: nn.ConvTranspose2d(4, 4, 3, groups=4, bias=False),
        (4, 3, 3),
        9 * 36,
    ),
    "transposed conv3d dilated": (lambda: nn.ConvTranspose3d(2, 4, 2, dilation=2), (2, 2, 2, 2), 8 * 64),
}


def _network(kind: str) -> nn.Module:
    return seeded(nn.Sequential(KINDS[kind][0]()))


def _inputs(kind: str) -> Tensor:
    return torch.randn(2, *KINDS[kind][1], generator=torch.Generator().manual_seed(1))


def _only_layer(network: nn.Module) -> Layer:
    (layer,), _ = find_layers(network)
    return layer


def _kernels(
    network: nn.Module, layer: Layer, rank: int | None, technique: str = "low_rank"
) -> tuple[Tensor, ...]:
    """The kernels of the small layers at a rank; None: at the highest."""
    kernel, groups = read_kernel(network, layer), layer.groups
    match technique:
        case "low_rank":
            highest = layer.highest_rank
            factors = low_rank(kernel, singular_vectors(kernel.flatten(1), groups), rank=rank or highest)
        case "spatial":
            vectors = spatial_vectors(kernel, groups)
            factors = spatial(kernel, vectors, rank=rank or vectors.values.shape[1])
        case _:
            ranks = {"rank_in": rank or kernel.shape[1], "rank_out": rank or kernel.shape[0] // groups}
            factors = tucker(kernel, mode_vectors(kernel, groups), **ranks)
    return shipped(layer, factors)


def _small(network: nn.Module, layer: Layer, rank: int) -> tuple[Layer, ...]:
    return small_layers(layer, [kernel.shape for kernel in _kernels(network, layer, rank)])


def _factored(network: nn.Module, layer: Layer, rank: int | None, technique: str = "low_rank") -> nn.Module:
    skeleton = shared_copy(network)
    write_factors(skeleton, layer, _kernels(network, layer, rank, technique))
    return skeleton


def _with_product(network: nn.Module, layer: Layer, rank: int, technique: str = "low_rank") -> nn.Module:
    product = multiplied_out(layer, [k.double() for k in _kernels(network, layer, rank, technique)])
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, product.float())
    return skeleton


@pytest.mark.parametrize("kind", KINDS)
def test_writing_what_was_read_changes_nothing(kind: str) -> None:
    network = _network(kind)
    layer = _only_layer(network)
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, read_matrix(network, layer))
    assert digest_of(skeleton) == digest_of(network)
    assert torch.equal(read_kernel(skeleton, layer), read_kernel(network, layer))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_the_matrix_makes_one_output_channel(kind: str) -> None:
    network, inputs = _network(kind), _inputs(kind)
    layer = _only_layer(network)
    matrix = read_matrix(network, layer)
    matrix[1] = 0
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, matrix)
    channel = -1 if kind.startswith("linear") else 1
    before, after = (n(inputs).movedim(channel, 0) for n in (network, skeleton))
    bias = 0.0 if network[0].bias is None else network[0].bias[1].item()
    assert torch.equal(after[1], torch.full_like(after[1], bias))
    others = [i for i in range(len(before)) if i != 1]
    torch.testing.assert_close(after[others], before[others])


@pytest.mark.parametrize("kind", [k for k in KINDS if "grouped" not in k and "depthwise" not in k])
def test_the_second_axis_of_the_kernel_is_the_input_channel(kind: str) -> None:
    network, inputs = _network(kind), _inputs(kind)
    layer = _only_layer(network)
    kernel = read_kernel(network, layer).clone()
    kernel[:, 1] = 0
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, kernel.flatten(1))
    channel = -1 if kind.startswith("linear") else 1
    silent = inputs.clone()
    silent.movedim(channel, 0)[1] = 0
    torch.testing.assert_close(skeleton(inputs), network(silent))


FACTORED = [(kind, "low_rank") for kind in KINDS]
FACTORED += [(kind, "tucker") for kind in KINDS if "linear" not in kind]
FACTORED += [(kind, "spatial") for kind in KINDS if len(_only_layer(_network(kind)).kernel_shape) == 4]


@pytest.mark.parametrize(("kind", "technique"), FACTORED)
def test_full_rank_factors_compute_the_same_function(kind: str, technique: str) -> None:
    network, inputs = _network(kind), _inputs(kind)
    layer = _only_layer(network)
    torch.testing.assert_close(
        _factored(network, layer, None, technique)(inputs), network(inputs), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("kind", "technique"), [f for f in FACTORED if "depthwise" not in f[0]])
def test_factors_compute_what_their_product_computes(kind: str, technique: str) -> None:
    network, inputs = _network(kind), _inputs(kind)
    layer = _only_layer(network)
    rank = layer.highest_rank - 1 if technique == "low_rank" else 1
    small = _factored(network, layer, rank, technique)(inputs)
    product = _with_product(network, layer, rank, technique)(inputs)
    torch.testing.assert_close(small, product, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(small, network(inputs), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_macs_equal_the_count_by_hand(kind: str) -> None:
    network = _network(kind)
    (layer,) = count_macs(network, find_layers(network)[0], _inputs(kind)[:1])
    assert layer.macs == KINDS[kind][2]


@pytest.mark.parametrize("kind", [k for k in KINDS if "grouped" not in k and "depthwise" not in k])
def test_macs_are_half_the_operations_that_torch_counts(kind: str) -> None:
    network, inputs = _network(kind), _inputs(kind)[:1]
    (layer,) = count_macs(network, find_layers(network)[0], inputs)
    with FlopCounterMode(display=False) as counter:
        network(inputs)
    assert 2 * layer.macs == counter.get_total_flops()


@pytest.mark.parametrize(("kind", "technique"), FACTORED)
def test_costs_of_the_factors_equal_those_of_the_factored_network(kind: str, technique: str) -> None:
    network, inputs = _network(kind), _inputs(kind)[:1]
    (layer,) = count_macs(network, find_layers(network)[0], inputs)
    factored = _factored(network, layer, None, technique)
    counted = count_macs(factored, find_layers(factored)[0], inputs)
    small = small_layers(layer, [k.shape for k in _kernels(network, layer, None, technique)])
    for one, other in zip(small, counted, strict=True):
        for said in ("name", "macs", "positions", "extents", "kernel_shape", "groups", "transposed"):
            assert getattr(one, said) == getattr(other, said), said


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3, 1, 1)],
        [(2, 3, 1, 1), (4, 2, 1, 1)],
        [(2, 3, 3, 3), (4, 2, 3, 3)],
        [(2, 3, 3, 3), (4, 3, 1, 1)],
        [(2, 2, 3, 3), (4, 2, 1, 1)],
        [(2, 3, 3, 3), (5, 2, 1, 1)],
        [(2, 3, 3), (4, 2, 1)],
    ],
)
def test_kernels_that_are_no_chain_in_the_place_of_a_layer_are_told(shapes: list[tuple[int, ...]]) -> None:
    layer = _only_layer(nn.Sequential(nn.Conv2d(3, 4, 3)))
    assert axes_of(layer, [torch.Size(s) for s in [(2, 3, 3, 1), (4, 2, 1, 3)]]) == ((0,), (1,))
    with pytest.raises(ValueError, match="Size"):
        axes_of(layer, [torch.Size(s) for s in shapes])


def test_below_the_break_even_rank_factors_are_smaller_and_above_not() -> None:
    for kind in KINDS:
        network = _network(kind)
        layer = _only_layer(network)
        ranks = range(1, layer.highest_rank + 1)
        sizes = [sum(k.numel() for k in _kernels(network, layer, rank)) for rank in ranks]
        assert [r for r, size in zip(ranks, sizes, strict=True) if size < layer.weights] == list(
            range(1, min(layer.break_even_rank, layer.highest_rank) + 1)
        )


# --- embeddings, ties, names -------------------------------------------------------------------------


class Words(nn.Module):
    """Tokens [N, T] -> scores [N, T, 3]."""

    def __init__(self, padding_idx: int | None = None) -> None:
        super().__init__()
        self.emb = nn.Embedding(9, 4, padding_idx=padding_idx)
        self.out = nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.emb(tokens.long()))


TOKENS = torch.tensor([[1, 2, 0, 8, 2]])


@pytest.mark.parametrize("padding", [None, 0])
def test_an_embedding_is_factored_into_a_table_and_a_linear(padding: int | None) -> None:
    network = seeded(Words(padding))
    layer = count_macs(network, find_layers(network)[0], TOKENS)[0]
    assert (layer.kind, layer.macs, layer.positions) == (LayerKind.EMBEDDING, 0, 5)
    torch.testing.assert_close(_factored(network, layer, 4)(TOKENS), network(TOKENS), atol=1e-4, rtol=1e-4)
    low = _factored(network, layer, 2)
    torch.testing.assert_close(low(TOKENS), _with_product(network, layer, 2)(TOKENS), atol=1e-4, rtol=1e-4)
    counted = count_macs(low, find_layers(low)[0], TOKENS)[:2]
    assert [c.macs for c in counted] == [s.macs for s in _small(network, layer, 2)] == [0, 5 * 2 * 4]


class Tied(nn.Module):
    """An embedding whose weight is also the classifier's."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(9, 4)
        self.out = nn.Linear(4, 9, bias=False)
        self.out.weight = self.emb.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.emb(tokens.long()))


def test_tied_weights_are_one_layer_written_at_every_place() -> None:
    network = seeded(Tied())
    layer = count_macs(network, find_layers(network)[0], TOKENS)[0]
    assert [p.module for p in layer.places] == ["emb", "out"]
    assert layer.macs == 5 * 36
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, torch.ones(9, 4))
    assert skeleton.emb.weight is skeleton.out.weight
    assert torch.equal(skeleton(TOKENS), torch.full((1, 5, 9), 4.0))
    with pytest.raises(Refused, match="shares its weight with out"):
        _factored(network, layer, 1)


def test_a_bare_parameter_that_is_a_layers_weight_is_written_too() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.again = self.fc.weight

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.fc(x), self.again)

    network = seeded(Own())
    (layer,), left = find_layers(network)
    assert not left
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, torch.zeros(3, 3))
    assert not skeleton(torch.ones(1, 3)).any()


def test_a_weight_used_transposed_elsewhere_is_left_alone_with_the_reason() -> None:
    network = seeded(nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)))
    network[1].weight = nn.Parameter(network[0].weight.data.t())
    layers, left = find_layers(network)
    assert not layers
    assert [(u.name, "in another form" in u.reason) for u in left] == [("0", True), ("1", True)]


class Shared(nn.Module):
    """One module under two names, a third called twice."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.one = make()
        self.two = self.one
        self.inside = nn.ModuleDict({"three": self.one})
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inside["three"](self.two(self.one(x))))


def test_a_module_under_several_names_is_replaced_at_all_of_them() -> None:
    network, inputs = seeded(Shared(lambda: nn.Linear(4, 4))), torch.randn(2, 4)
    layers = count_macs(network, find_layers(network)[0], inputs[:1])
    assert [(layer.name, layer.macs) for layer in layers] == [("one", 3 * 16), ("last", 12)]
    skeleton = _factored(network, layers[0], 4)
    assert skeleton.one is skeleton.two is skeleton.inside["three"]
    torch.testing.assert_close(skeleton(inputs), network(inputs), atol=1e-5, rtol=1e-4)
    low = _factored(network, layers[0], 2)
    torch.testing.assert_close(
        low(inputs), _with_product(network, layers[0], 2)(inputs), atol=1e-5, rtol=1e-4
    )


def test_an_attention_under_two_names_is_replaced_at_both() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.MultiheadAttention(4, 2, batch_first=True)
            self.two = self.one

        def forward(self, x: Tensor) -> Tensor:
            return self.two(*[self.one(x, x, x)[0]] * 3)[0]

    network, inputs = seeded(Twice()), torch.randn(2, 3, 4)
    for layer in find_layers(network)[0]:
        skeleton = _factored(network, layer, 4)
        assert skeleton.one is skeleton.two
        torch.testing.assert_close(skeleton(inputs), network(inputs), atol=1e-5, rtol=1e-4)


def test_a_replaced_module_that_is_still_used_elsewhere_fails_instead_of_answering() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.list = [self.fc]

        def forward(self, x: Tensor) -> Tensor:
            return self.list[0](x)

    network = seeded(Hidden())
    with pytest.raises(AttributeError):
        _factored(network, _only_layer(network), 2)(torch.randn(1, 4))


def test_a_layer_with_a_hook_is_not_factored() -> None:
    network = seeded(nn.Sequential(nn.Linear(4, 4)))
    network[0].register_forward_hook(lambda _module, _given, output: 2 * output)
    with pytest.raises(Refused, match="computation of its own"):
        _factored(network, _only_layer(network), 2)


def test_attention_with_a_hook_is_not_factored() -> None:
    attention = nn.MultiheadAttention(8, 2).eval()
    attention.register_forward_pre_hook(lambda _module, given: given)
    with pytest.raises(Refused, match="computation of its own"):
        PlainAttention.taking_over(attention, "attention")


def test_a_subclass_with_its_own_forward_is_not_factored() -> None:
    class Scaled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    network = seeded(nn.Sequential(Scaled(4, 4)))
    with pytest.raises(Refused, match="computation of its own"):
        _factored(network, _only_layer(network), 4)


# --- attention ---------------------------------------------------------------------------------------

ATTENTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "without bias": {"bias": False},
    "other keys": {"kdim": 6, "vdim": 10},
    "other keys, batch first, without bias": {"kdim": 6, "vdim": 10, "batch_first": True, "bias": False},
}


def _attention(kind: str, heads: int = 2) -> nn.MultiheadAttention:
    attention = seeded(nn.MultiheadAttention(8, heads, **ATTENTIONS[kind]))
    assert isinstance(attention, nn.MultiheadAttention)
    return attention


def _triple(kind: str, *, batched: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    options = ATTENTIONS[kind]
    widths = (8, options.get("kdim", 8), options.get("vdim", 8))
    generator = torch.Generator().manual_seed(2)
    tensors = [torch.randn(3, n, w, generator=generator) for n, w in zip((4, 5, 5), widths, strict=True)]
    if not batched:
        return tuple(t[0] for t in tensors)
    return tuple(t if options.get("batch_first") else t.transpose(0, 1) for t in tensors)


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("kind", ATTENTIONS)
def test_plain_attention_equals_multihead_attention(kind: str, batched: bool, average: bool) -> None:
    attention = _attention(kind)
    triple = _triple(kind, batched=batched)
    expected, seen = attention(*triple, average_attn_weights=average)
    got, weights = PlainAttention.taking_over(attention, "a")(*triple, average_attn_weights=average)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(weights, seen)


MASKS = {
    "bool": torch.tensor([[0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]]).bool(),
    "added": torch.randn(4, 5, generator=torch.Generator().manual_seed(5)),
    "for each head": torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(6)),
    "bool for each head": torch.rand(6, 4, 5, generator=torch.Generator().manual_seed(9)) > 0.8,
    "none": None,
}
PADDINGS = {
    "none": None,
    "bool": torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]).bool(),
    "added": torch.randn(3, 5, generator=torch.Generator().manual_seed(8)),
}


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(("mask", "padding"), list(itertools.product(MASKS, PADDINGS)))
@pytest.mark.parametrize("kind", ["plain", "other keys, batch first, without bias"])
def test_plain_attention_obeys_the_same_masks(kind: str, mask: str, padding: str, need_weights: bool) -> None:
    attention, triple = _attention(kind), _triple(kind)
    call = {"attn_mask": MASKS[mask], "key_padding_mask": PADDINGS[padding], "need_weights": need_weights}
    expected, seen = attention(*triple, **call)
    got, weights = PlainAttention.taking_over(attention, "a")(*triple, **call)
    torch.testing.assert_close(got, expected)
    assert (weights is None) == (seen is None)
    if seen is not None:
        torch.testing.assert_close(weights, seen)


@pytest.mark.parametrize("extra", [{"add_bias_kv": True}, {"add_zero_attn": True}])
def test_attention_with_added_keys_is_pruned_but_not_factored(extra: dict[str, bool]) -> None:
    network = seeded(nn.Sequential(nn.MultiheadAttention(8, 2, **extra)))
    layer = find_layers(network)[0][0]
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, torch.zeros(8, 8))
    assert not skeleton[0].in_proj_weight[:8].any()
    with pytest.raises(Refused, match="add_bias_kv"):
        _factored(network, layer, 2)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_each_projection_of_an_attention_is_a_layer(kind: str) -> None:
    attention, triple = _attention(kind), _triple(kind)
    layers = find_layers(nn.ModuleDict({"a": attention}))[0]
    assert [layer.name for layer in layers] == ["a.q_proj", "a.k_proj", "a.v_proj", "a.out_proj"]
    for layer in layers:
        network = nn.ModuleDict({"a": attention})
        same = shared_copy(network)
        write_matrix(same, layer, read_matrix(network, layer))
        assert digest_of(same) == digest_of(network)
        factored = _factored(network, layer, layer.highest_rank)
        torch.testing.assert_close(factored["a"](*triple)[0], attention(*triple)[0], atol=1e-5, rtol=1e-4)
        low = _factored(network, layer, 3)["a"](*triple)[0]
        product = _with_product(network, layer, 3)["a"](*triple)[0]
        torch.testing.assert_close(low, product, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["batch first", "other keys, batch first, without bias"])
def test_projections_are_edited_beside_a_factored_one_in_either_order(kind: str) -> None:
    network = nn.ModuleDict({"a": _attention(kind)})
    layers = find_layers(network)[0]
    for first, second in itertools.permutations(layers, 2):
        halves = [shared_copy(network), shared_copy(network)]
        write_factors(halves[0], first, _kernels(network, first, None))
        for half in halves:
            write_matrix(half, second, read_matrix(network, second) * 0.5)
        got, expected = (half["a"](*_triple(kind))[0] for half in halves)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_macs_of_cross_attention_follow_the_length_of_each_input() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=10)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x, torch.ones(1, 5, 6), value=torch.ones(1, 5, 10))[0]

    network = seeded(Cross())
    layers = count_macs(network, find_layers(network)[0], torch.ones(1, 4, 8))
    assert [layer.macs for layer in layers] == [4 * 64, 5 * 48, 5 * 80, 4 * 64]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("stacked", [True, False])
def test_every_layer_of_a_transformer_encoder_can_be_factored(
    stacked: bool, norm_first: bool, padded: bool
) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=norm_first)
    network = seeded(nn.ModuleDict({"e": nn.TransformerEncoder(layer, 2) if stacked else layer}))
    inputs = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(4))
    mask = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]).bool() if padded else None
    layers, left = find_layers(network)
    assert len(layers) == (12 if stacked else 6)
    assert {u.kind for u in left} == {"LayerNorm"}
    skeleton = shared_copy(network)
    for each in layers:
        write_factors(skeleton, each, _kernels(network, each, None))
    with torch.no_grad():
        expected = network["e"](inputs, src_key_padding_mask=mask)
        got = skeleton["e"](inputs, src_key_padding_mask=mask)
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)
        torch.backends.mha.set_fastpath_enabled(value=True)  # a process that never heard of ours
        try:
            seen = skeleton["e"](inputs, src_key_padding_mask=mask)
        finally:
            torch.backends.mha.set_fastpath_enabled(value=False)
        torch.testing.assert_close(seen, got, atol=1e-4, rtol=1e-3)


def test_a_factored_feed_forward_layer_leaves_the_fused_kernel_where_that_is_switched_on() -> None:
    network = seeded(nn.ModuleDict({"e": nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)}))
    inputs = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(4))
    layer = next(each for each in find_layers(network)[0] if each.name == "e.linear1")
    factored = _factored(network, layer, layer.highest_rank)
    torch.backends.mha.set_fastpath_enabled(value=True)
    try:
        with torch.no_grad():
            torch.testing.assert_close(factored["e"](inputs), network["e"](inputs), atol=1e-4, rtol=1e-3)
    finally:
        torch.backends.mha.set_fastpath_enabled(value=False)


# --- what is left alone ------------------------------------------------------------------------------

LEFT: dict[str, tuple[Make, str]] = {
    "LSTM": (lambda: nn.LSTM(3, 4), "recurrent"),
    "GRUCell": (lambda: nn.GRUCell(3, 4), "recurrent"),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), "normalization"),
    "LayerNorm": (lambda: nn.LayerNorm(3), "normalization"),
    "GroupNorm": (lambda: nn.GroupNorm(1, 3), "normalization"),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True), "normalization"),
    "Bilinear": (lambda: nn.Bilinear(2, 3, 4), "Bilinear has no form"),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(3, 4), "EmbeddingBag has no form"),
    "PReLU": (lambda: nn.PReLU(3), "parameters of its own"),
    "ParametrizedLinear": (lambda: parametrizations.weight_norm(nn.Linear(3, 4)), "computed from other"),
    "ParametrizedConv2d": (
        lambda: parametrizations.spectral_norm(nn.Conv2d(3, 4, 1, bias=False)),
        "computed from other",
    ),
    "Linear": (lambda: prune.l1_unstructured(nn.Linear(3, 4), "weight", 0.5), "computed from other"),
    "Conv1d": (lambda: spectral_norm(nn.Conv1d(3, 4, 1)), "computed from other"),
    "Embedding": (lambda: nn.Embedding(3, 4, max_norm=1.0), "rescales its rows"),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_left_alone_is_listed_once_with_its_parameters_and_the_reason(kind: str) -> None:
    make, reason = LEFT[kind]
    module = make()
    layers, left = find_layers(nn.ModuleDict({"m": module}))
    assert not layers
    assert [(u.name, u.kind, u.parameters) for u in left] == [
        ("m", kind, sum(p.numel() for p in module.parameters()))
    ]
    assert reason in left[0].reason


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_the_older_weight_norm_is_left_alone_too() -> None:
    layers, left = find_layers(nn.ModuleDict({"m": weight_norm(nn.Linear(3, 4))}))
    assert not layers
    assert "computed from other" in left[0].reason


def test_a_parameter_of_the_networks_own_is_listed() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.zeros(5))

    assert [(u.name, u.parameters) for u in find_layers(Own())[1]] == [("", 5)]


def test_a_layer_that_does_not_run_has_no_macs() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    network = Idle()
    assert [layer.macs for layer in count_macs(network, find_layers(network)[0], torch.ones(1, 3))] == [
        9,
        None,
    ]


# --- skeletons ---------------------------------------------------------------------------------------


def test_a_skeleton_shares_every_weight_and_no_module() -> None:
    network = seeded(Everything())
    skeleton = shared_copy(network)
    tensors = zip(network.parameters(), skeleton.parameters(), strict=True)
    assert all(a is b for a, b in tensors)
    assert not {id(m) for m in network.modules()} & {id(m) for m in skeleton.modules()}


def test_editing_every_layer_of_a_skeleton_leaves_the_original_as_it_was() -> None:
    network, inputs = seeded(Everything()), torch.randn(2, 8)
    before, output = digest_of(network), network(inputs)
    for layer in find_layers(network)[0]:
        skeleton = shared_copy(network)
        write_matrix(skeleton, layer, torch.zeros(layer.rows, layer.columns))
        assert digest_of(skeleton) != before
        if len(layer.places) == 1:
            _factored(network, layer, 1)(inputs)
    assert digest_of(network) == before
    assert torch.equal(network(inputs), output)


def test_the_digest_tells_strides_and_activations_apart() -> None:
    plain, strided = nn.Conv1d(1, 1, 3), nn.Conv1d(1, 1, 3, stride=2)
    strided.load_state_dict(plain.state_dict())
    assert digest_of(plain) != digest_of(strided)
    assert digest_of(nn.Sequential(nn.ReLU())) != digest_of(nn.Sequential(nn.GELU()))


def test_the_digest_tells_apart_what_modules_hold_and_do_not_show() -> None:
    few, many = nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 4)
    many.load_state_dict(few.state_dict())
    assert digest_of(few) != digest_of(many)
    first, last = (nn.TransformerEncoderLayer(8, 2, 4, norm_first=first) for first in (True, False))
    last.load_state_dict(first.state_dict())
    assert digest_of(first) != digest_of(last)
    assert digest_of(nn.Sequential(nn.ReLU())) == digest_of(nn.Sequential(nn.ReLU()))


def test_a_whole_network_of_all_kinds_is_factored_at_full_rank_without_change() -> None:
    subject = everything_subject()
    inputs = subject.split("validation").inputs
    alone = [layer for layer in subject.layers if len(layer.places) == 1]
    full = {layer.name: Step.of("low_rank", rank=layer.highest_rank) for layer in alone}
    recipe = Recipe(tuple(Rule(name, (step,)) for name, step in full.items()))
    network = compress(subject, recipe, Store()).network()
    torch.testing.assert_close(network(inputs), subject.network(inputs), atol=1e-4, rtol=1e-3)


def test_a_layer_is_called_by_what_its_weight_is_and_a_factor_by_its_whole() -> None:
    network = nn.Sequential(
        nn.Linear(4, 4),
        nn.Embedding(4, 4),
        nn.Conv2d(4, 4, 1),
        nn.Conv1d(4, 4, 1, groups=2),
        nn.ConvTranspose3d(4, 4, 1, groups=4),
        nn.MultiheadAttention(4, 2),
    )
    layers = find_layers(network)[0]
    assert [layer.label for layer in layers[:6]] == [
        "linear",
        "embedding",
        "conv2d",
        "grouped conv1d",
        "depthwise transposed conv3d",
        "attention projection",
    ]
    first, last = small_layers(layers[2], [torch.Size([2, 4, 1, 1]), torch.Size([4, 2, 1, 1])])
    assert (first.kind, first.label, last.label) == (LayerKind.FACTOR, *["factor of conv2d"] * 2)
