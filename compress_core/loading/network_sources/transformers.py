"""Networks of the transformers library: classes from a list, numbers that were looked at before."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from compress_core.foundation.errors import Refused
from compress_core.loading.huggingface.model_types import MODEL_TYPES
from compress_core.loading.huggingface.pooled import MeanPooled
from compress_core.loading.network_source import network_source

EXTRA = "slimscope[huggingface]"
_POOLING = "add_pooling_layer"
"""What answers for a whole text in some networks, and for nothing where the words are pooled."""


@network_source
def transformers(values: Mapping[str, Any]) -> nn.Module:
    """The network of a type, an architecture and numbers, without its weights; raises Refused."""
    network = with_linear_layers(plain_network(values))
    return MeanPooled(network, normalized=values["normalized"]) if values.get("pooled") else network


def plain_network(values: Mapping[str, Any]) -> nn.Module:
    """The same as the library has it, whose weights bear the names of its folders."""
    kind = MODEL_TYPES.get(values["model_type"])
    if kind is None or values["architecture"] not in kind.heads:
        raise Refused(
            "The network {name} is not among those that are built: {known}.",
            name=values["architecture"],
            known=", ".join(MODEL_TYPES),
        )
    build = getattr(library_of_networks(), values["architecture"])
    has_own = values.get("pooled") and _POOLING in inspect.signature(build.__init__).parameters
    made: nn.Module = build(library_config(values), **({_POOLING: False} if has_own else {}))
    return made


def library_config(values: Mapping[str, Any]) -> Any:
    """The library's own configuration: plain attention, which answers a single tensor where it can."""
    kind = MODEL_TYPES[values["model_type"]]
    made = getattr(library_of_networks(), f"{kind.classes}Config")
    labels = {"num_labels": values["labels"]} if values.get("labels") else {}
    words = {"bos_token_id": None, "eos_token_id": None}  # which only generating asks for
    return made(**{**words, **values["numbers"], **labels}, use_cache=False, attn_implementation="eager")


def turned_weights(network: nn.Module) -> tuple[str, ...]:
    """The names of weights that the library keeps the other way round than a linear layer does."""
    kind = importlib.import_module("transformers.pytorch_utils").Conv1D
    return tuple(f"{name}.weight" for name, module in network.named_modules() if isinstance(module, kind))


def with_linear_layers(network: nn.Module) -> nn.Module:
    """The network with linear layers in the place of those whose weights stand the other way round."""
    for name in turned_weights(network):
        owner, _, last = name.removesuffix(".weight").rpartition(".")
        inputs, outputs = network.get_parameter(name).shape
        setattr(network.get_submodule(owner), last, nn.Linear(inputs, outputs))
    return network


def library_of_networks() -> Any:
    """The transformers library, which fetches nothing here; raises Refused where it is not installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise Refused(
            "Folders of the Hugging Face libraries need {extra}, which is not installed ({reason}): "
            "pip install '{extra}'.",
            extra=EXTRA,
            reason=str(error),
        ) from error
