"""How long a packed file is, is known for many models of one base without packing all of each."""

from __future__ import annotations

import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver import packed_file
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.packed_size import packed_size
from compress_core.deliver.packing.entries import Piece
from compress_core.foundation.store import Store
from compress_core.recipe.values import Recipe, Rule, Step
from tests.subjects import everything_subject, loaded_sample, rules

_PRUNED, _ROUNDED = Step.of("magnitude", sparsity=0.9), Step.of("uniform", bits=4)
_FACTORED, _CUT = Step.of("low_rank", rank=2), Step.of_group("magnitude", share_removed=0.5)
_RECIPES = (
    rules(fc1=_ROUNDED),
    rules(fc1=_PRUNED),
    rules(fc1=(_PRUNED, _ROUNDED), fc2=_FACTORED),
    rules(any=(_PRUNED, _ROUNDED)),
    Recipe((Rule("fc2", (_ROUNDED,)),), groups=(Rule("fc1", (_CUT,)),)),
)


@pytest.mark.slow
def test_the_length_is_that_of_the_file_for_each_of_many_models_of_one_base() -> None:
    subject, store = loaded_sample("lenet300"), Store()
    for recipe in (None, *_RECIPES, None):
        model = Model.original(subject) if recipe is None else compress(subject, recipe, store)
        assert packed_size(model, store).value == len(pack_bytes(model))


@pytest.mark.slow
def test_the_length_is_that_of_the_file_where_tensors_share_memory_and_lie_in_every_form() -> None:
    subject, store = everything_subject(), Store()
    for step in (_ROUNDED, _PRUNED):
        for layer in subject.layers:
            model = compress(subject, Recipe((Rule(layer.name, (step,)),)), store)
            assert packed_size(model, store).value == len(pack_bytes(model))


def test_what_a_model_leaves_as_it_was_is_packed_once_for_all_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, store, packed = loaded_sample("lenet300"), Store(), list[int]()
    make = packed_file._piece

    def counted(tensor: torch.Tensor, blocks: object) -> Piece:
        packed.append(tensor.numel())
        return make(tensor, blocks)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(packed_file, "_piece", counted)
    weights = sum(tensor.numel() for tensor in subject.network.state_dict().values())
    packed_size(Model.original(subject), store)
    assert sum(packed) == weights
    packed.clear()
    for bits in (3, 4, 5):
        packed_size(compress(subject, rules(fc3=Step.of("uniform", bits=bits)), store), store)
    small = sum(t.numel() for t in subject.network.state_dict().values() if t.numel() <= 1000)
    assert sum(packed) == 3 * small
