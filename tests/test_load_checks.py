"""What a network is asked when it is loaded: what is refused, what is said, which layers are locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.loading import load_check as mechanism
from compress_core.loading.items import Items
from compress_core.loading.load_check import Finding, LoadCheck, LoadedNetwork, LockedLayer, NetworkWarning
from compress_core.loading.user_model import subject_from_network, with_items
from compress_core.measure.behavior.evaluate import predict
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, seeded

INPUTS = np.random.default_rng(3).normal(size=(12, 6)).astype(np.float32)
ZEROED = "layers: [{match: '%s', steps: [{technique: magnitude, sparsity: 1.0}]}]"


def loaded(network: nn.Module) -> Subject:
    return subject_from_network(network.eval(), Items(INPUTS, None), "mine")


def _rest(net: Any, x: Tensor) -> Tensor:
    answer: Tensor = net.fc3(F.relu(net.fc2(x)))
    return answer


class Dropping(Mlp):
    """Its dropout forgets to ask whether it is trained."""

    def forward(self, x: Tensor) -> Tensor:
        return _rest(self, F.dropout(F.relu(self.fc1(x)), 0.5, training=True))


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01 * torch.randn_like(x)


class Noisy(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"noise": Noise()})

    def forward(self, x: Tensor) -> Tensor:
        return _rest(self, self.fc1(self.parts["noise"](x)))


class Shuffling(Mlp):
    """Its chance is numpy's."""

    def forward(self, x: Tensor) -> Tensor:
        return _rest(self, self.fc1(x * float(np.random.default_rng().normal())))


class AlwaysTrained(Mlp):
    """A dropout that stays in training mode whatever is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.drop.train()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return _rest(self, self.drop(self.fc1(x)))


RANDOM = {
    "dropout": (Dropping, r"Dropping\.forward"),
    "noise": (Noisy, r"parts\.noise \(Noise\)"),
    "chance of numpy": (Shuffling, r"Shuffling\.forward"),
    "always trained": (AlwaysTrained, r"drop \(Dropout\)"),
}


@pytest.mark.parametrize(("network", "place"), RANDOM.values(), ids=RANDOM)
def test_a_network_that_draws_at_random_is_refused_with_the_place(
    network: type[nn.Module], place: str
) -> None:
    with pytest.raises(Refused, match=f"draws at random .* part in {place},"):
        loaded(network())


class Counting(Mlp):
    """It answers a little more with every call."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return _rest(self, self.fc1(x)) + self.calls


class Averaging(Mlp):
    """It subtracts a running mean of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        seen: Any = self.seen
        seen.mul_(0.5).add_(0.5 * x.mean(0))
        return _rest(self, self.fc1(x - seen))


class Normalizing(Mlp):
    """Its batch norm goes on collecting statistics, and reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.norm.running_mean, self.norm.running_var
        F.batch_norm(x[:, None], mean, var, training=True, momentum=0.5)
        return _rest(self, self.fc1(self.norm(x[:, None])[:, 0]))


class Keeping(Mlp):
    """It mixes in what it answered the last time."""

    last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        answer = _rest(self, self.fc1(x))
        mixed = answer if self.last is None else answer + self.last
        self.last = answer
        return mixed


REMEMBERING = {
    "counter": (Counting, r"Counting\.forward"),
    "running mean": (Averaging, "seen"),
    "batch norm": (Normalizing, r"norm\.running_mean, norm\.running_var"),
    "attribute": (Keeping, r"Keeping\.forward"),
}


@pytest.mark.parametrize(("kind", "place"), REMEMBERING.values(), ids=REMEMBERING)
def test_a_network_that_remembers_is_refused_with_the_place_and_stays_as_it_was(
    kind: type[nn.Module], place: str
) -> None:
    network = kind()
    before = digest_of(network)
    with pytest.raises(Refused, match=f"remembers what it was shown before, in {place}:"):
        loaded(network)
    assert digest_of(network) == before


class Clamping(Mlp):
    """It keeps its weights within bounds, past torch's counter of writes."""

    def forward(self, x: Tensor) -> Tensor:
        self.fc2.weight.data.clamp_(-0.1, 0.1)
        return _rest(self, self.fc1(x))


class Decaying(Mlp):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.fc2.weight.mul_(0.9)
        return _rest(self, self.fc1(x))


class Replacing(Mlp):
    def forward(self, x: Tensor) -> Tensor:
        self.fc2.weight = nn.Parameter(self.fc2.weight * 0.9)
        return _rest(self, self.fc1(x))


@pytest.mark.parametrize("kind", [Clamping, Decaying, Replacing])
def test_a_network_that_writes_to_its_weights_is_refused_and_keeps_them(kind: type[nn.Module]) -> None:
    network = seeded(kind())
    before = digest_of(network)
    with pytest.raises(Refused, match=r"writes to its own weights while it answers, to fc2\.weight"):
        loaded(network)
    assert digest_of(network) == before


class Tallying(Mlp):
    """It counts calls in a buffer that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        calls: Any = self.calls
        calls += len(x)
        return _rest(self, self.fc1(x))


def test_a_buffer_that_no_answer_follows_is_warned_of_and_stays() -> None:
    subject, store = loaded(Tallying()), Store()
    assert [str(text).partition(" while")[0] for text in subject.warnings] == ["mine writes to calls"]
    for model in (Model.original(subject), compress(subject, read_recipe(ZEROED % "fc2"), store)):
        predict(model, subject.split("validation"), store)
        assert model.network().get_buffer("calls") == 0
    assert subject.network.get_buffer("calls") == 0


def test_chance_that_shows_on_few_items_is_warned_of() -> None:
    class Rarely(Mlp):
        def forward(self, x: Tensor) -> Tensor:
            return _rest(self, self.fc1(x)) + float(torch.rand(()) < 1e-9)

    assert "draws random numbers" in loaded(Rarely()).warnings[0]


def test_an_ordinary_network_has_no_warning_and_no_locked_layer() -> None:
    subject = loaded(seeded(Mlp()))
    assert not subject.warnings
    assert not subject.locked
    assert len(subject.layers) == 3


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """One check alone, which locks fc2 and says something."""

    def ask(network: LoadedNetwork) -> Iterator[Finding]:
        assert network.probe.shape[1:] == (6,)
        assert 1 < len(network.probe) <= 8
        yield LockedLayer("fc2", Phrase("nobody may"))
        yield NetworkWarning(Phrase("{model} is odd.", model=network.name))

    monkeypatch.setattr(mechanism, "load_checks", lambda: {"ask": LoadCheck("ask", 0, ask)})


@pytest.mark.usefixtures("asking")
class TestLockedLayer:
    def test_a_locked_layer_is_not_offered_and_says_why(self) -> None:
        subject = loaded(Mlp())
        assert [layer.name for layer in subject.layers] == ["fc1", "fc3"]
        assert [(left.name, left.reason) for left in subject.untouched] == [("fc2", "nobody may")]
        with pytest.raises(Refused, match="fc2 is locked: nobody may"):
            subject.layer("fc2")

    def test_a_rule_that_names_a_locked_layer_is_refused_and_one_for_all_passes_over_it(self) -> None:
        subject = loaded(Mlp())
        for named in ("fc2", "?c2", "fc2.0"):
            with pytest.raises(Refused, match="fc2 is locked: nobody may"):
                compress(subject, read_recipe(ZEROED % named), Store())
        assert set(compress(subject, read_recipe(ZEROED % "*"), Store()).compressed) == {"fc1", "fc3"}

    def test_a_resolved_recipe_cannot_bring_a_locked_layer_in(self) -> None:
        locked = loaded(Mlp())
        free = compress(replace(locked, locked={}), read_recipe(ZEROED % "fc1"), Store())
        foreign = replace(free.recipe, layers=(("fc2", free.recipe.layers[0][1]),))
        with pytest.raises(Refused, match="fc2 is locked"):
            compress(locked, foreign, Store())

    def test_warnings_stay_on_the_subject_and_are_looked_for_anew_on_other_items(self) -> None:
        subject = loaded(Mlp())
        assert subject.warnings == ("mine is odd.",)
        assert with_items(subject, Items(INPUTS[:8], None)).warnings == ("mine is odd.",)


def test_the_command_line_tells_warnings_and_locked_layers(
    asking: None, capsys: pytest.CaptureFixture[str]
) -> None:
    network = f"{__name__}:Mlp"
    with pytest.raises(SystemExit) as ended:
        app(["layers", network, "--input-shape", "6"], standalone_mode=True)
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "is odd." in said
    assert "nobody may" in said
    with pytest.raises(SystemExit):
        app(["layers", network, "--input-shape", "6", "--json"], standalone_mode=True)
    told = json.loads(capsys.readouterr().out)
    assert [left["name"] for left in told["untouched"]] == ["fc2"]
    assert told["warnings"][0].endswith("is odd.")


def _what_was_understood(subject):  # type: ignore[no-untyped-def]
    from dashboard.start.understood import understood

    understood(subject)


@pytest.mark.usefixtures("asking")
def test_the_start_page_shows_warnings_and_locked_layers_with_their_reasons() -> None:
    page = AppTest.from_function(_what_was_understood, default_timeout=60, args=(loaded(Mlp()),)).run()
    assert not page.exception
    assert ["mine is odd" in box.value for box in page.warning] == [True]
    assert any("fc2" in line.value and "nobody may" in line.value for line in page.caption)


class _Branching(Mlp):
    """Which way it goes is decided by an operation that torch compiles by itself."""

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.fc1(x))
        h = torch.cond(h.mean() > -1.0, lambda t: t * 1.5, lambda t: t - 0.75, (h,))
        answer: Tensor = self.fc3(F.relu(self.fc2(h)))
        return answer


@pytest.mark.slow
def test_a_network_that_cannot_be_watched_is_told_what_stops_it() -> None:
    with pytest.raises(Refused, match=r"mine runs, but not while its operations are watched .*torch\.cond"):
        loaded(_Branching())
