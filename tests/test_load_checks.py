"""What a network is asked when it is loaded: what is refused, what is said, which layers are locked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.loading import load_check as mechanism
from compress_core.loading.items import Items
from compress_core.loading.load_check import Finding, LoadCheck, LoadedNetwork, LockedLayer, NetworkWarning
from compress_core.loading.user_model import subject_from_network, with_items
from compress_core.recipe.reading import read_recipe
from compress_core.subject.subject import Subject
from tests.subjects import Mlp

INPUTS = np.random.default_rng(3).normal(size=(12, 6)).astype(np.float32)
ZEROED = "layers: [{match: '%s', steps: [{technique: magnitude, sparsity: 1.0}]}]"


def loaded(network: nn.Module) -> Subject:
    return subject_from_network(network.eval(), Items(INPUTS, None), "mine")


class Dropping(Mlp):
    """Its dropout forgets to ask whether it is trained."""

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc3(F.dropout(F.relu(self.fc2(F.relu(self.fc1(x)))), 0.5, training=True))
        return answer


class Noisy(Mlp):
    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x + 0.01 * torch.randn_like(x))))))
        return answer


class Counting(Mlp):
    """It answers a little more with every call."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        answer: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x))))) + self.calls
        return answer


@pytest.mark.parametrize("network", [Dropping(), Noisy()], ids=["dropout", "noise"])
def test_a_network_that_draws_at_random_is_refused(network: nn.Module) -> None:
    with pytest.raises(Refused, match="draws at random"):
        loaded(network)


def test_a_network_that_remembers_is_refused() -> None:
    with pytest.raises(Refused, match="remembers what it was shown"):
        loaded(Counting())


def test_an_ordinary_network_has_no_warning_and_no_locked_layer() -> None:
    subject = loaded(Mlp())
    assert not subject.warnings
    assert not subject.locked
    assert len(subject.layers) == 3


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """One check alone, which locks fc2 and says something."""

    def ask(network: LoadedNetwork) -> Iterator[Finding]:
        assert network.probe.shape == (8, 6)
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
