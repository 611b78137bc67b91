"""Layers: the only code that knows Linear, convolutions, Embedding, norms and attention.

What the rest of the project asks for stands here; the files of this folder hold one reason each.
"""

from compress_core.network.layers.cut import (
    attention_names,
    channel_groups,
    cut_channels,
    input_axis,
    is_convolution,
    is_opaque,
    is_producer,
    mask_inputs,
    open_attention,
    reason_to_keep_whole,
    width_of,
)
from compress_core.network.layers.factors import (
    axes_of,
    multiplied_out,
    shapes_in_file,
    shipped,
    small_layers,
    write_factors,
)
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind, Untouched, WeightLocation
from compress_core.network.layers.macs import count_macs
from compress_core.network.layers.norms import NormState, batch_norms, fold_away, read_norm
from compress_core.network.layers.places import (
    attach_inputs,
    matrix_within,
    module_of,
    place_in,
    read_bias,
    read_kernel,
    read_matrix,
    with_bias,
    write_bias,
    write_matrix,
    write_state,
)
from compress_core.network.layers.side import Side
from compress_core.network.layers.unfold import channel_axis, columns, reader_named, readers

__all__ = [
    "Layer",
    "LayerKind",
    "NormState",
    "Side",
    "Untouched",
    "WeightLocation",
    "attach_inputs",
    "attention_names",
    "axes_of",
    "batch_norms",
    "channel_axis",
    "channel_groups",
    "columns",
    "count_macs",
    "cut_channels",
    "find_layers",
    "fold_away",
    "input_axis",
    "is_convolution",
    "is_opaque",
    "is_producer",
    "mask_inputs",
    "matrix_within",
    "module_of",
    "multiplied_out",
    "open_attention",
    "place_in",
    "read_bias",
    "read_kernel",
    "read_matrix",
    "read_norm",
    "reader_named",
    "readers",
    "reason_to_keep_whole",
    "shapes_in_file",
    "shipped",
    "small_layers",
    "width_of",
    "with_bias",
    "write_bias",
    "write_factors",
    "write_matrix",
    "write_state",
]
