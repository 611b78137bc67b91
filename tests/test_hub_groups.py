"""Networks of the transformers library lose heads, neurons and blocks, masks and all, and answer the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compress_core.network.forward import doubled, in_double, run_network, tensors_in
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.groups import find_groups
from compress_core.structure.shrink import preview, shrink

transformers = pytest.importorskip(
    "transformers", reason="needs the extra: pip install 'slimscope[huggingface]'"
)
pytestmark = pytest.mark.slow

_WIDTHS = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
_WORDS = {"vocab_size": 60, "max_position_embeddings": 20, "pad_token_id": 0}
_GPT2 = {"vocab_size": 60, "n_positions": 20, "n_embd": 24, "n_layer": 2, "n_head": 4, "pad_token_id": 0}


def _made(kind: str, **numbers: Any) -> nn.Module:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        **{"use_cache": False, "attn_implementation": "eager", **numbers}
    )
    task = "ImageClassification" if kind == "ViT" else "SequenceClassification"
    network: nn.Module = getattr(transformers, f"{kind}For{task}")(config)
    if kind == "GPT2":
        from compress_core.loading.network_sources.transformers import with_linear_layers

        network = with_linear_layers(network)
    return network.eval().requires_grad_(requires_grad=False)


def _text() -> dict[str, Tensor]:
    """Whole items and, at the end, some with words left out."""
    words = torch.randint(3, 60, (4, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[2, 6:] = mask[3, 4:] = 0
    return {"input_ids": words, "attention_mask": mask}


def _images() -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))}


Specimen = tuple[Callable[[], nn.Module], Callable[[], dict[str, Tensor]], dict[str, int]]
NETWORKS: dict[str, Specimen] = {
    "bert": (
        lambda: _made("Bert", **_WORDS, **_WIDTHS),
        _text,
        {
            **{f"bert.encoder.layer.{n}.attention.self.query": 4 for n in (0, 1)},
            **{f"bert.encoder.layer.{n}.intermediate.dense": 40 for n in (0, 1)},
            "bert.pooler.dense": 24,
        },
    ),
    "gpt2": (
        lambda: _made("GPT2", **_GPT2),
        _text,
        {
            **{f"transformer.h.{n}.attn.c_attn": 4 for n in (0, 1)},
            **{f"transformer.h.{n}.mlp.c_fc": 96 for n in (0, 1)},
            **{f"transformer.h.{n}": 1 for n in (0, 1)},
        },
    ),
    "llama": (
        lambda: _made("Llama", **_WORDS, **_WIDTHS, num_key_value_heads=2),
        _text,
        {
            **{f"model.layers.{n}.self_attn.q_proj": 2 for n in (0, 1)},
            **{f"model.layers.{n}.mlp.gate_proj": 40 for n in (0, 1)},
            **{f"model.layers.{n}": 1 for n in (0, 1)},
        },
    ),
    "vit": (
        lambda: _made("ViT", image_size=16, patch_size=8, **_WIDTHS),
        _images,
        {
            **{f"vit.layers.{n}.attention.q_proj": 4 for n in (0, 1)},
            **{f"vit.layers.{n}.mlp.fc1": 40 for n in (0, 1)},
            **{f"vit.layers.{n}": 1 for n in (0, 1)},
        },
    ),
}


def assert_cut_as_masked(network: nn.Module, example: dict[str, Tensor], free: list[Group]) -> None:
    """A third of the units gone, and a block: the smaller network answers what the masked one does."""
    channels = [group for group in free if group.kind is not GroupKind.BLOCK]
    cuts = [cut for group in channels for cut in group.cuts(torch.arange(group.units) % 3 != 1)]
    dropped = [group.name for group in free if group.kind is GroupKind.BLOCK][:1]
    network, given = in_double(network), doubled(example)
    small, masked = shrink(network, cuts, dropped), preview(network, cuts, dropped)
    with torch.inference_mode():
        one, other = (next(iter(tensors_in(run_network(n, given)))) for n in (small, masked))
    assert torch.allclose(one, other, rtol=0, atol=1e-9)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_what_hub_models_can_lose_is_found_and_right(name: str) -> None:
    make, items, expected = NETWORKS[name]
    free = [group for group in find_groups(make(), items()) if group.locked is None]
    assert {group.name: group.units for group in free} == expected
    assert_cut_as_masked(make(), items(), free)


@pytest.mark.parametrize("kind", ["Llama", "GPT2"])
def test_a_network_that_remembers_what_it_computed_ends_the_search_and_is_cut_rightly(kind: str) -> None:
    """It hands a memory from layer to layer, which a trial of a layer must not write to."""
    numbers = _GPT2 if kind == "GPT2" else {**_WORDS, **_WIDTHS}
    network = _made(kind, **numbers, use_cache=True)
    free = [group for group in find_groups(network, _text()) if group.locked is None]
    assert len(free) >= 2
    assert_cut_as_masked(_made(kind, **numbers), _text(), free)
