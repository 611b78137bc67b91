"""The packed file: as small as it gets."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.deliver.export_format import Written, export_format
from compress_core.foundation.texts import N_

if TYPE_CHECKING:
    from compress_core.apply.model import Model

PACKED_FILE = "model.slim"


@export_format(
    title=N_("Packed file"),
    what=N_("As small as it gets: frequent codes are written with fewer bits (entropy coding)."),
    needs=N_("slimscope unpack, which turns it back into plain weights"),
    ending="slim",
    brief="as slimscope pack writes it",
    order=1,
)
def packed(model: Model) -> Written:
    """The file read back, and its bytes beside those of every other way."""
    from compress_core.deliver.onnx_session import predictions_in_torch
    from compress_core.deliver.packed_file import read_packed, write_packed
    from compress_core.deliver.plain_container import container_bytes
    from compress_core.measure.cost.sizes import byte_sizes

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PACKED_FILE
        write_packed(model, path)
        content, network = path.read_bytes(), read_packed(path, model.subject)
    rows = byte_sizes(model, container_bytes(model), content)
    return Written(
        {PACKED_FILE: content},
        partial(predictions_in_torch, network, key="file", kind=model.subject.answers),
        sizes=rows,
    )
