"""The weights of a folder under the names and in the form in which its network has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.huggingface.config_file import FolderConfig
from compress_core.loading.huggingface.model_types import Head

MOST_BUFFER_BYTES = 256 * 2**20
_OLD_NAMES = (
    ("LayerNorm.gamma", "LayerNorm.weight"),
    ("LayerNorm.beta", "LayerNorm.bias"),
    ("encoder.layer.", "layers."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)
"""How folders call what newer releases of the library call otherwise: in BERT once, in ViT still."""
_LEFT_OUT = (".position_ids", ".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
"""What older releases stored beside the weights, and newer ones reckon anew."""


def fitted_weights(
    state: Mapping[str, Tensor], network: nn.Module, config: FolderConfig, turned: Sequence[str]
) -> dict[str, Tensor]:
    """The state of a network of this config, from that of a folder; what has no place in it stays.

    network may be without memory; turned: the names of weights that stand the other way round in the folder.
    """
    expected = network.state_dict()
    renamed = {_newer(name, expected): tensor for name, tensor in state.items()}
    kept = {
        name: tensor
        for name, tensor in _prefixed(renamed, expected, config).items()
        if name in expected or not _is_left_out(name, config)
    }
    for name, twin in _twins(network).items():
        if name not in kept and twin in kept:
            kept[name] = kept[twin]
    for name in turned:
        if name in kept and kept[name].ndim == 2:
            kept[name] = kept[name].t().contiguous()
    return {**{name: kept[name] for name in expected if name in kept}, **kept}


def parted_twins(fitted: Mapping[str, Tensor], network: nn.Module) -> tuple[str, str] | None:
    """The first two names of one parameter under which a folder holds different weights; None for none."""
    for name, twin in _twins(network).items():
        if name in fitted and twin in fitted and not torch.equal(fitted[name], fitted[twin]):
            return twin, name
    return None


def refuse_large_buffers(network: nn.Module) -> None:
    """Refuse a network that would hold far more beside its weights than any network does."""
    size = sum(buffer.nbytes for buffer in network.buffers())
    if size > MOST_BUFFER_BYTES:
        raise Refused(
            "The network would hold {got:,} bytes of tables beside its weights; at most {most:,} are built. "
            "Check max_position_embeddings in config.json.",
            got=size,
            most=MOST_BUFFER_BYTES,
        )


def taking(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """The network itself, whose parameters are from now on those of the state, in their types.

    Large networks would be there twice otherwise. The state fits.
    """
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.data = (
                state[name] if state[name].is_floating_point() else state[name].to(parameter.dtype)
            )
        for name, buffer in network.named_buffers():
            if name in state:
                buffer.copy_(state[name])
    return network


def _newer(name: str, expected: Mapping[str, Tensor]) -> str:
    """The name that the network has for it, where its own is an older one."""
    newer = name
    for old, new in _OLD_NAMES:
        if newer not in expected:
            newer = newer.replace(old, new)
    return newer if newer in expected else name


def _prefixed(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], config: FolderConfig
) -> Mapping[str, Tensor]:
    """A network without a head is saved with or without the name that it has in one with a head."""
    prefix = f"{config.kind.base}."
    if config.head is not Head.VECTOR or any(name in expected for name in state):
        return state
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}


def _is_left_out(name: str, config: FolderConfig) -> bool:
    """What belongs to no answer of this network."""
    heads = {
        Head.HIDDEN_WORD: (f"{config.kind.base}.pooler.", "cls.seq_relationship."),
        Head.VECTOR: ("pooler.",),
    }
    return name.startswith(heads.get(config.head, ())) or name == "position_ids" or name.endswith(_LEFT_OUT)


def _twins(network: nn.Module) -> Mapping[str, str]:
    """Names that stand for a parameter which has another name as well: a folder stores it once."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), name)
        if other != name:
            found[name], found[other] = other, name
    return found
