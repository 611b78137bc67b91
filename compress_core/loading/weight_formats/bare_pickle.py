"""What torch.save wrote before PyTorch 1.6: recognized, so that a sentence can say why it is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import begins_with, weight_format

if TYPE_CHECKING:
    from compress_core.loading.stored import AskedWeights, DeclaredWeights


@weight_format(title="bare pickle", order=3, recognizes=begins_with(b"\x80"))
def bare_pickle(_content: bytes, asked: AskedWeights) -> DeclaredWeights:
    """Refused: what it holds cannot be checked."""
    from compress_core.loading.stored import shown

    raise Refused(
        "The file '{file}' is a bare pickle, as torch.save wrote it before PyTorch 1.6, and cannot be "
        "checked. Load it where you trust it, then upload "
        "torch.save(model.state_dict(), path) or safetensors.",
        file=shown(asked.name),
    )
