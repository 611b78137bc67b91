"""Replay from the first changed weight equals a full forward bit for bit, whatever the network does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.measure.behavior import replay as module_under_test
from compress_core.measure.behavior.replay import Recording, record, replay
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix, write_matrix
from compress_core.network.shared_copy import digest_of, shared_copy
from tests.subjects import Everything, seeded

SHIFTS = ((4, 1.0), (4, -1.0), (3, 0.0))
BATCHES = tuple(torch.randn(n, 6, generator=torch.Generator().manual_seed(n)) + by for n, by in SHIFTS)
PLENTY = 2**30
FACTORS = (-0.5, 0.0)  # the latter makes courses turn that depend on weights


class Residual(nn.Module):
    """Adds around modules, functions in between, a module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        x = x + F.gelu(self.a(x))
        x = x + self.b(self.norm(x))
        return self.c(self.norm(x) + self.b(x).tanh())


class InPlace(nn.Module):
    """In-place activations and sums, with what they changed read again."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x)
        second = self.b(self.relu(first))
        second += first
        return self.c(F.relu_(second) + first)


class WritesItsInput(nn.Module):
    """A block that changes its input in place; the input is read afterwards."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.mul_(2.0))

    def __init__(self, *, by_module: bool) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 3)
        pre = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 6))
        self.block = pre if by_module else self.Block()

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x)
        return self.c(first + self.block(first))


class PassesOn(nn.Module):
    """A block writes over what an identity passed on to it, of which a view is read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 3)
        self.first = nn.Sequential(nn.Identity(), nn.Linear(6, 6))
        self.second = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        made = self.a(x) * 2
        view = made.view(-1, 3, 2)
        return self.c(self.first(made) + self.second(made) + view.flatten(1))


class WritesOver(nn.Module):
    """Activations in place between modules: nobody reads what they wrote over but what comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.norm, self.relu = nn.LayerNorm(6), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.relu(self.norm(self.b(self.relu(self.a(x))))))


class Nest(nn.Module):
    """Sequentials in sequentials, flattening, an identity, dropout."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(nn.Linear(6, 8), nn.Identity(), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
        self.body = nn.Sequential(inner, nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 4, 3), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Branches(nn.Module):
    """Branches that are concatenated, one of them read late."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(4, 4)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        early = self.a(x)
        late = self.c(self.b(x))
        return self.head(torch.cat([late, early, late * early], dim=1))


class Pair(NamedTuple):
    """A named pair of tensors."""

    left: Tensor
    right: Tensor


class Returns(nn.Module):
    """Modules that return tuples, named tuples, lists, mappings, the same tensor twice."""

    class Many(nn.Module):
        def __init__(self, form: str) -> None:
            super().__init__()
            self.one, self.two, self.form = nn.Linear(6, 6), nn.Linear(6, 6), form

        def forward(self, x: Tensor) -> object:
            one, two = self.one(x), self.two(x)
            forms: dict[str, Callable[[], object]] = {
                "tuple": lambda: (one, two),
                "with none": lambda: (one, None, two),
                "named": lambda: Pair(one, two),
                "list": lambda: [one, two],
                "dict": lambda: {"one": one, "two": two},
                "chunks": lambda: torch.cat([one, two], dim=1).chunk(2, dim=1),
                "the same twice": lambda: (one, one),
            }
            return forms[self.form]()

    def __init__(self, form: str) -> None:
        super().__init__()
        self.many, self.head, self.form = self.Many(form), nn.Linear(6, 3), form

    def forward(self, x: Tensor) -> Tensor:
        result = self.many(x)
        match self.form:
            case "named":
                one, two = result.left, result.right
            case "dict":
                one, two = result["one"], result["two"]
            case _:
                one, two = result[0], result[-1]
        two.add_(1.0)
        return self.head(one * two)


class Half(nn.Module):
    """A module whose outputs are passed on by its parent without being touched."""

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.early, self.late = nn.Linear(6, 6), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.early(x), self.late(x)

    def __init__(self) -> None:
        super().__init__()
        self.parent, self.head = self.Parent(), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        early, late = self.parent(x)
        return self.head(early - late)


class TiedByHand(nn.Module):
    """A weight that is used by its module and by a function; a module that returns its own weight."""

    class Position(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(6, 6)

        def forward(self) -> Tensor:
            return self.table.weight

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.mid, self.head = nn.Embedding(9, 6), nn.Linear(6, 6), nn.Linear(9, 3)
        self.position = self.Position()

    def forward(self, x: Tensor) -> Tensor:
        table = self.position()
        tokens = self.emb((x.abs() * 5).long().clamp(0, 8))
        mixed = self.mid(tokens + table)
        return self.head(F.linear(mixed, self.emb.weight)).sum(dim=1)


class LeavesBehind(nn.Module):
    """A block that leaves tensors in an attribute, read by a later block."""

    class Encoder(nn.Module):
        def __init__(self, *, made_by_module: bool) -> None:
            super().__init__()
            self.a, self.b, self.made_by_module = nn.Linear(6, 6), nn.Linear(6, 6), made_by_module
            self.skips: list[Tensor] = []

        def forward(self, x: Tensor) -> Tensor:
            first = self.a(x)
            self.skips = [first if self.made_by_module else first * 2]
            return self.b(first)

    def __init__(self, *, made_by_module: bool) -> None:
        super().__init__()
        self.encoder, self.head = self.Encoder(made_by_module=made_by_module), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x) + self.encoder.skips[0])


class DependsOnItems(nn.Module):
    """Takes another branch for other items."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            x = self.a(x)
        return self.c(self.b(x) if x.mean() > 0 else x)


class DependsOnWeights(nn.Module):
    """Reads an early output only when a later, edited layer says so."""

    def __init__(self, *, by_sign: bool) -> None:
        super().__init__()
        self.early, self.switch, self.head = nn.Linear(6, 6), nn.Linear(6, 1, bias=False), nn.Linear(6, 3)
        self.by_sign = by_sign

    def forward(self, x: Tensor) -> Tensor:
        early = self.early(x)
        if self.switch(x).count_nonzero() == 0:
            return self.head((early > 0).float() if self.by_sign else early)
        return self.head(x)


class NeverRuns(nn.Module):
    """A layer that the forward leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.idle, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.a(x))


class Attentions(nn.Module):
    """nn.MultiheadAttention, then a transformer encoder."""

    def __init__(self, *, norm_first: bool) -> None:
        super().__init__()
        self.up = nn.Linear(1, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.up(x[..., None])
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(self.encoder(tokens)[:, 0])


class Strided(nn.Module):
    """Modules that return views and strided results of their own memory."""

    class Every(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 2)[:, ::2]

    def __init__(self) -> None:
        super().__init__()
        self.a, self.every, self.head = nn.Linear(6, 12), self.Every(), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.every(self.a(x)).t().contiguous().t())


class Overlapping(Strided):
    """Reads the memory between the results of a strided one."""

    def forward(self, x: Tensor) -> Tensor:
        every = self.every(self.a(x))
        return self.head(every.as_strided((len(x), 6), (12, 1)))


class Alias(nn.Module):
    """What a module passes on is the memory that it got; both names are written to and read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(6, 6), nn.Linear(6, 3)
        self.same, self.flat = nn.Identity(), nn.Flatten(0)

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x)
        self.same(first).add_(1.0)
        self.flat(first).mul_(2.0)
        return self.head(first)


class KeepsState(nn.Module):
    """A block writes to a buffer of its own, which a later one reads."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("state", torch.zeros(6))

        def forward(self, x: Tensor) -> Tensor:
            self.state.copy_(x.mean(dim=0))
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.a, self.block, self.head = nn.Linear(6, 6), self.Block(), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.a(x))) + self.head(self.block.state)


class Hooked(nn.Module):
    """A forward hook of the network's own changes an output."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(6, 6), nn.Linear(6, 3)
        self.a.register_forward_hook(lambda _module, _args, output: output * 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.a(x))


class Recurrent(nn.Module):
    """An LSTM, which returns nested tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.lstm, self.head = nn.Linear(1, 4), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        states, (last, _) = self.lstm(self.up(x[..., None]))
        return self.head(states[:, -1] + last[0])


class Wide(nn.Module):
    """The network of all kinds, on six of its eight columns."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Everything()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(F.pad(x, (1, 1)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "in place": InPlace,
    "writes its input by a module": lambda: WritesItsInput(by_module=True),
    "writes its input by a function": lambda: WritesItsInput(by_module=False),
    "passes on": PassesOn,
    "writes over": WritesOver,
    "nest": Nest,
    "branches": Branches,
    **{f"returns {f}": lambda f=f: Returns(f) for f in ("tuple", "with none", "named", "list", "dict")},
    **{f"returns {f}": lambda f=f: Returns(f) for f in ("chunks", "the same twice")},
    "half": Half,
    "tied by hand": TiedByHand,
    "leaves behind a module's output": lambda: LeavesBehind(made_by_module=True),
    "leaves behind a tensor": lambda: LeavesBehind(made_by_module=False),
    "depends on items": DependsOnItems,
    "depends on weights": lambda: DependsOnWeights(by_sign=False),
    "depends on weights by sign": lambda: DependsOnWeights(by_sign=True),
    "never runs": NeverRuns,
    "attentions": lambda: Attentions(norm_first=False),
    "attentions, norm first": lambda: Attentions(norm_first=True),
    "strided": Strided,
    "overlapping": Overlapping,
    "alias": Alias,
    "hooked": Hooked,
    "recurrent": Recurrent,
    "everything": Wide,
}


def _parameters(layers: tuple[Layer, ...]) -> list[str]:
    return [f"{p.module}.{p.parameter}" for layer in layers for p in layer.places]


def _recorded(network: nn.Module, max_bytes: int = PLENTY) -> Recording:
    layers, _ = find_layers(network)
    return record(shared_copy(network), BATCHES, _parameters(layers), max_bytes)


def _edited(network: nn.Module, layer: Layer, factor: float) -> nn.Module:
    skeleton = shared_copy(network)
    write_matrix(skeleton, layer, read_matrix(network, layer) * factor)
    return skeleton


def _full(network: nn.Module) -> list[Tensor]:
    with torch.inference_mode():
        return [network(batch) for batch in BATCHES]


def assert_replay_is_exact(network: nn.Module, max_bytes: int = PLENTY) -> None:
    """Every layer edited in turn: replay equals a full forward of an equal network, bit for bit."""
    recording = _recorded(network, max_bytes)
    for got, expected in zip(recording.outputs, _full(shared_copy(network)), strict=True):
        assert torch.equal(got, expected)
    for layer in find_layers(network)[0]:
        for factor in FACTORS:
            results = replay(_edited(network, layer, factor), recording, _parameters((layer,)))
            for got, expected in zip(results, _full(_edited(network, layer, factor)), strict=True):
                assert torch.equal(got, expected), (layer.name, factor)


@pytest.mark.parametrize("kind", NETWORKS)
def test_replay_equals_a_full_forward_bit_for_bit(kind: str) -> None:
    network = seeded(NETWORKS[kind]())
    before = digest_of(network)
    assert_replay_is_exact(network)
    assert digest_of(network) == before


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "everything"])
def test_replay_equals_a_full_forward_when_hardly_anything_may_be_kept(kind: str) -> None:
    assert_replay_is_exact(seeded(NETWORKS[kind]()), max_bytes=400)


@pytest.mark.parametrize("max_bytes", [0, 100, 400, 1000, PLENTY])
def test_what_is_kept_stays_within_the_bound(max_bytes: int) -> None:
    for make in NETWORKS.values():
        assert _recorded(seeded(make()), max_bytes).kept_bytes <= max_bytes


def test_what_was_written_over_and_is_read_no_more_is_not_kept() -> None:
    network = seeded(WritesOver())
    recording = record(shared_copy(network), BATCHES, ["c.weight"], PLENTY)
    (cut,) = recording.cuts
    assert {name for name, _ in cut.answered} == {"a", "relu", "b", "norm"}
    assert recording.kept_bytes == sum(batch.nbytes for batch in BATCHES)


def test_a_pass_copies_what_it_reads_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[object] = []
    monkeypatch.setattr(module_under_test, "cloned", lambda output: copied.append(output) or output.clone())
    network = seeded(WritesOver())
    recording = _recorded(network)
    replay(shared_copy(network), recording, ["c.weight"])
    assert len(copied) == len(BATCHES)


def test_a_course_that_depends_on_the_items_is_run_in_full() -> None:
    assert not _recorded(seeded(DependsOnItems())).cuts


def test_a_block_that_writes_to_a_buffer_runs_every_time() -> None:
    assert_replay_is_exact(seeded(KeepsState()))


def _calls_in_replay(network: nn.Module, edited: str) -> list[str]:
    recording = _recorded(network)
    layer = next(each for each in find_layers(network)[0] if each.name == edited)
    skeleton = _edited(network, layer, 0.5)
    seen: list[str] = []
    for name, module in skeleton.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            original = module.forward

            def spy(x: Tensor, name: str = name, original: Callable[[Tensor], Tensor] = original) -> Tensor:
                seen.append(name)
                return original(x)

            module.forward = spy
    replay(skeleton, recording, _parameters((layer,)))
    return seen[: len(seen) // len(BATCHES)]


@pytest.mark.parametrize(
    ("make", "edited", "computed"),
    [
        (Residual, "c", ["c"]),
        (Residual, "b", ["b", "b", "c"]),
        (InPlace, "c", ["c"]),
        (Nest, "head.2", ["head.2"]),
        (Nest, "body.2", ["body.2", "head.0", "head.2"]),
        (Branches, "c", ["c", "head"]),
        (Half, "parent.late", ["parent.late", "head"]),
        (lambda: WritesItsInput(by_module=True), "c", ["c"]),
        (WritesOver, "b", ["b", "c"]),
    ],
)
def test_only_what_comes_after_the_change_is_computed(
    make: Callable[[], nn.Module], edited: str, computed: list[str]
) -> None:
    assert _calls_in_replay(seeded(make()), edited) == computed


def test_a_reading_of_what_was_not_kept_falls_back_to_a_full_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Tensor | None] = []
    run_from = module_under_test._run_from

    def spy(*args: object) -> Tensor | None:
        answers.append(run_from(*args))
        return answers[-1]

    monkeypatch.setattr(module_under_test, "_run_from", spy)
    network = seeded(DependsOnWeights(by_sign=True))
    assert_replay_is_exact(network)
    assert None in answers
    assert any(answer is not None for answer in answers)


def test_hooks_and_forwards_are_gone_afterwards() -> None:
    network = seeded(Attentions(norm_first=True))
    own = network.up
    own.forward = lambda x: F.linear(x, own.weight)
    skeleton = shared_copy(network)
    layers, _ = find_layers(network)
    recording = record(skeleton, BATCHES, _parameters(layers), PLENTY)
    replay(skeleton, recording, _parameters(layers[-1:]))
    patched = {name for name, module in skeleton.named_modules() if "forward" in vars(module)}
    assert patched == {"up"}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in skeleton.modules())


def test_they_are_gone_after_a_failure_too() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.c, self.fails = nn.Linear(6, 6), nn.Linear(6, 3), False

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            if self.fails:
                raise ValueError("as told")
            return self.c(x)

    network = seeded(Fails())
    recording = _recorded(network)
    skeleton = shared_copy(network)
    skeleton.fails = True
    with pytest.raises(ValueError, match="as told"):
        replay(skeleton, recording, ["c.weight"])
    with pytest.raises(ValueError, match="as told"):
        record(skeleton, BATCHES, ["c.weight"], PLENTY)
    assert not any(m._forward_hooks or "forward" in vars(m) for m in skeleton.modules())


def test_what_was_kept_survives_networks_that_write_into_it() -> None:
    network = seeded(InPlace())
    recording = _recorded(network)
    layer = find_layers(network)[0][-1]
    first = replay(_edited(network, layer, 0.5), recording, _parameters((layer,)))
    second = replay(_edited(network, layer, 0.5), recording, _parameters((layer,)))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_outputs_that_are_not_finite_are_replayed_as_well() -> None:
    network = seeded(Residual())
    recording = _recorded(network)
    layer = find_layers(network)[0][-1]
    got = replay(_edited(network, layer, float("inf")), recording, _parameters((layer,)))
    for one, other in zip(got, _full(_edited(network, layer, float("inf"))), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


# --- random networks ---------------------------------------------------------------------------------


class Graph(nn.Module):
    """Nodes in a row, each with a layer and an operation that reads earlier nodes."""

    def __init__(self, nodes: list[tuple[str, int, int]]) -> None:
        super().__init__()
        self.nodes = nodes
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=kind == "in place"))
            if kind in {"block", "in place"}
            else nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 6))
            if kind == "over"
            else nn.Linear(6, 6)
            for kind, _, _ in nodes
        )
        self.head = nn.Linear(6, 3)
        self.after = nn.ModuleList(
            nn.ReLU(inplace=True) if kind == "rectified" else nn.Identity() for kind, _, _ in nodes
        )

    def forward(self, x: Tensor) -> Tensor:
        made = [x.clone()]
        for index, (kind, one, two) in enumerate(self.nodes):
            first, second = made[one % len(made)], made[two % len(made)]
            layer = self.layers[index]
            match kind:
                case "add":
                    made.append(layer(first) + second)
                case "twice":
                    made.append(layer(layer(first)))
                case "earlier":
                    made.append(self.layers[two % (index + 1)](first))
                case "write":
                    made.append(layer(first))
                    made[one % len(made)].mul_(0.5)
                case "view":
                    made.append(layer(first).view(-1, 2, 3).transpose(1, 2).reshape(-1, 6))
                case "functional":
                    made.append(F.linear(first, getattr(layer, "weight", second[:6, :6].new_ones(6, 6))))
                case _:
                    made.append(self.after[index](layer(first)))
        return self.head(made[-1] + made[len(made) // 2])


KINDS = ("plain", "block", "in place", "over", "rectified", "add", "twice", "earlier", "write", "view")
NODE = st.tuples(st.sampled_from([*KINDS, "functional"]), st.integers(0, 5), st.integers(0, 5))


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(NODE, min_size=1, max_size=5), st.sampled_from([PLENTY, 600]))
def test_replay_of_random_networks_is_exact(nodes: list[tuple[str, int, int]], max_bytes: int) -> None:
    assert_replay_is_exact(seeded(Graph(nodes)), max_bytes)
