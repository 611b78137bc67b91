"""One coded weight as bytes: positions, levels, codes or values; and back to the values it decodes to."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Allowance, Damaged, refuse_more_than
from compress_core.deliver.packing.codes import pack_codes, read_codes
from compress_core.deliver.packing.level_tables import read_levels, write_levels
from compress_core.deliver.packing.numbers import pack_numbers, read_numbers, type_number
from compress_core.deliver.packing.positions import pack_positions, read_positions
from compress_core.techniques.contract.encoded import EncodedWeight

ALL, SOME = range(2)


def pack_weight(encoded: EncodedWeight) -> bytes:
    """A weight [rows, columns] -> bytes; rows and columns are the reader's to know."""
    writer = Writer()
    mask = (
        np.ones(tuple(encoded.weight.shape), dtype=bool)
        if encoded.mask is None
        else encoded.mask.tensor.numpy()
    )
    pruned = not bool(mask.all())
    writer.number(SOME if pruned else ALL)
    if pruned:
        writer.run(pack_positions(mask))
    if encoded.quantized is None:
        write_levels(writer, None)
        writer.raw(pack_numbers(encoded.values[torch.from_numpy(mask)]))
        return writer.content()
    levels = encoded.quantized.levels
    write_levels(writer, levels)
    codes = (encoded.codes.numpy().astype(np.int32) - levels.low).astype(np.uint16)
    writer.raw(pack_codes(codes, mask, levels.high - levels.low + 1))
    return writer.content()


def read_weight(content: bytes, rows: int, columns: int, allowance: Allowance | None = None) -> Tensor:
    """The values [rows, columns]; raises Damaged."""
    refuse_more_than(len(content), rows * columns)
    allowance = allowance or Allowance()
    reader = Reader(content)
    pruned = reader.number()
    if pruned > SOME:
        raise Damaged
    mask = np.ones((rows, columns), dtype=bool)
    if pruned:
        mask = read_positions(reader.run(), rows, columns, allowance)
    stays = torch.from_numpy(mask)
    levels = read_levels(reader, rows, columns, allowance)
    if levels is None:
        values = torch.zeros(rows, columns)
        values[stays] = read_numbers(reader.rest(), type_number(values), (int(mask.sum()),), allowance)
        return values
    codes = torch.from_numpy(read_codes(reader.rest(), mask, levels.high - levels.low + 1, allowance))
    return levels.decode(codes.add_(levels.low)).masked_fill_(~stays, 0.0)
