"""Small networks that hold every way in which channels are coupled, and what is expected of each.

A free group is named with its number of units, a locked one with words of its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn

from compress_core.network.forward import Example
from compress_core.structure.groups import Group, find_groups
from tests import zoo_images as images
from tests import zoo_sequences as sequences
from tests.subjects import seeded

ANSWER, NORM, REUSE = "output layer", "norm is taken across", "used in several places"
FAILS, HIDDEN = "counts on what is here", "the trace did not reach it"
NO_SCORES = "wrap it so that forward returns the logits"


@dataclass(frozen=True)
class Specimen:
    """A network, its inputs, and its groups; answers: the layers that give the outputs.

    refused_source: why it cannot be written as code, refused_bare: why it is no classifier as it stands.
    """

    build: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    free: Mapping[str, int]
    locked: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ("head.fc",)
    words: int = 0
    refused_source: str = ""
    refused_bare: str = ""

    def network(self) -> nn.Module:
        return seeded(self.build()).requires_grad_(requires_grad=False)

    def example(self) -> Example:
        """One tensor, or a tuple of several; numbers below `words` where the network reads words."""
        generator = torch.Generator().manual_seed(1)
        inputs = tuple(self._input(shape, generator) for shape in self.shapes)
        return inputs if len(inputs) > 1 else inputs[0]

    def _input(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        if self.words:
            return torch.randint(0, self.words, shape, generator=generator)
        return torch.randn(shape, generator=generator)


IMAGE, ROW, WORDS = ((2, 3, 8, 8),), ((4, 6),), ((2, 5),)
NARROW, WIDE = ((2, 5, 4),), ((2, 5, 8),)
_ENCODED = {
    f"encoder.layers.{i}.{part}": units
    for i in range(2)
    for part, units in (("self_attn.q_proj", 2), ("linear1", 10))
}

ZOO: Mapping[str, Specimen] = {
    "residual": Specimen(images.Residual, IMAGE, {"stem": 8, "block.conv1": 8, "block": 1}),
    "downsampling": Specimen(images.Downsampling, IMAGE, {"stem": 4, "conv": 8}),
    "concat": Specimen(images.Concat, IMAGE, {"left": 4, "right": 6}),
    "dense_block": Specimen(images.Dense, IMAGE, {"stem": 3, "conv1": 4, "conv2": 4, "conv3": 4}),
    "chunk": Specimen(images.Split, IMAGE, {"stem": 4, "left": 5}),
    "fixed_split": Specimen(
        images.FixedSplit,
        IMAGE,
        {"left": 5},
        {"stem": "cannot be followed", "stem#2": "cannot be followed", "stem#3": "cannot be followed"},
    ),
    "chunk_gate": Specimen(images.Gate, IMAGE, {"stem": 4}),
    "grouped": Specimen(images.Grouped, IMAGE, {"stem": 4, "grouped": 6}),
    "separable": Specimen(images.Separable, IMAGE, {"stem": 8, "pointwise": 6}),
    "depth_multiplier": Specimen(images.Multiplied, IMAGE, {"stem": 6}),
    "transposed": Specimen(images.Transposed, IMAGE, {"down": 6, "up": 4}),
    "u_net": Specimen(
        images.UNet, IMAGE, {"enter": 4, "down": 8, "up": 4}, answers=("leave",), refused_bare=NO_SCORES
    ),
    "squeeze_excite": Specimen(images.Excited, IMAGE, {"stem": 8, "squeeze": 4}),
    "flatten": Specimen(images.Flattened, IMAGE, {"conv": 5, "fc1": 7}, answers=("fc2",)),
    "fixed_view": Specimen(images.FixedView, IMAGE, {}, {"conv": FAILS}, ("fc",)),
    "group_norm": Specimen(images.GroupNormed, IMAGE, {"conv": 3}),
    "group_norm_of_all": Specimen(lambda: images.GroupNormed(1), IMAGE, {}, {"conv": NORM}),
    "instance_norm_prelu": Specimen(images.InstanceNormed, IMAGE, {"conv": 6}),
    "layer_scale": Specimen(images.Scaled, IMAGE, {"stem": 6}),
    "conv1d_weight_norm": Specimen(
        images.Signal, ((2, 2, 12),), {}, {"conv1": "computed from other", "conv2": "computed from other"}
    ),
    "conv3d": Specimen(images.Volume, ((2, 1, 4, 4, 4),), {"conv1": 4, "up": 5}),
    "mean_across_channels": Specimen(images.AcrossChannels, IMAGE, {}, {"conv": "reckons across them"}),
    "channel_shuffle": Specimen(
        images.Shuffled, ((2, 4, 6, 6),), {"two": 4}, {"one": "must keep equally many"}
    ),
    "mlp": Specimen(sequences.Mlp, ROW, {"fc1": 8, "fc2": 7}, answers=("fc3",)),
    "shared_module": Specimen(sequences.Shared, ROW, {"fc2": 5}, {"fc1": REUSE}, ("fc3",)),
    "tied": Specimen(
        sequences.Tied,
        WORDS,
        {"mix": 8, "hidden": 9},
        {"embed": REUSE, "back": REUSE, "out": REUSE},
        (),
        words=11,
        refused_bare=NO_SCORES,
    ),
    "embedding": Specimen(sequences.Words, WORDS, {"embed": 8, "fc1": 6}, {}, ("fc2",), words=11),
    "lstm": Specimen(
        sequences.Lstm,
        WORDS,
        {"fc1": 5},
        {"embed": FAILS, "rnn": "recurrent"},
        ("fc2",),
        words=11,
    ),
    "gru": Specimen(sequences.Gru, NARROW, {"fc1": 5}, {"fc0": FAILS, "rnn": "recurrent"}, ("fc2",)),
    "multihead_attention": Specimen(
        sequences.Attending,
        NARROW,
        {"embed": 12, "attention.q_proj": 3, "attention.out_proj": 12},
        answers=("head",),
    ),
    "attention_with_added_keys": Specimen(
        sequences.AddedKeys,
        NARROW,
        {},
        {"embed": FAILS, "attention": "keys of its own", "attention.out_proj": HIDDEN},
        ("head",),
    ),
    "transformer_encoder": Specimen(
        sequences.Encoder,
        NARROW,
        {**_ENCODED, "encoder.layers.1": 1},
        {"embed": NORM, "encoder.layers.0": FAILS},
        ("head",),
    ),
    "transformer_encoder_norm_last": Specimen(
        lambda: sequences.Encoder(norm_first=False), NARROW, _ENCODED, {"embed": NORM}, ("head",)
    ),
    "transformer_encoder_layer": Specimen(
        sequences.EncoderLayer,
        WIDE,
        {"layer.self_attn.q_proj": 2, "layer.linear1": 10, "layer": 1},
        {"layer.self_attn.out_proj": NORM},
        ("head",),
    ),
    "fused_qkv": Specimen(sequences.FusedAttention, WIDE, {"qkv": 2, "out": 6}, answers=("head",)),
    "split_by_width": Specimen(sequences.SplitByWidth, WIDE, {"qkv": 4, "out": 6}, answers=("head",)),
    "counted_heads": Specimen(sequences.CountedHeads, WIDE, {"query": 4, "out": 6}, answers=("head",)),
    "fused_qkv_by_width": Specimen(
        lambda: sequences.FusedAttention(by_width=True), WIDE, {"qkv": 2, "out": 6}, answers=("head",)
    ),
    "chunked_qkv": Specimen(
        sequences.ChunkedAttention, WIDE, {"out": 6}, {"qkv": "reckons across them"}, ("head",)
    ),
    "glu": Specimen(sequences.Glu, ROW, {"fc1": 8}, answers=("fc2",)),
    "swiglu_rms_norm": Specimen(sequences.SwiGlu, ROW, {"gate": 10}, {"embed": NORM}, ("head",)),
    "layer_norm": Specimen(sequences.LayerNormed, ROW, {"fc2": 5}, {"fc1": NORM}, ("fc3",)),
    "control_flow": Specimen(
        sequences.Deciding,
        ROW,
        {},
        {"fc1": "choose the network's course", "left": "", "right": ""},
        (),
        refused_source="its course must not depend on the values of the items",
    ),
    "dict_output": Specimen(
        sequences.TwoAnswers,
        ROW,
        {"body": 8},
        answers=("kind", "place"),
        refused_bare="returns what is judged",
    ),
    "two_inputs": Specimen(
        sequences.TwoInputs,
        ((4, 3, 8, 8), (4, 6)),
        {"conv": 4, "fc1": 5, "fc2": 7},
        answers=("fc3",),
        refused_bare="missing 1 required positional argument: 'row'",
    ),
    "detached": Specimen(sequences.Untraced, ROW, {"fc1": 5}, {"fixed": HIDDEN}, ("fc2",)),
    "bilinear": Specimen(
        sequences.Bilinear,
        ROW,
        {},
        {"left": FAILS, "right": FAILS, "meet": "no form with fewer channels"},
        ("fc",),
    ),
}


@cache
def groups_of(name: str) -> tuple[Group, ...]:
    """The groups of one specimen, found once."""
    return find_groups(ZOO[name].network(), ZOO[name].example())
