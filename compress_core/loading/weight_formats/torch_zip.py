"""What torch.save writes since PyTorch 1.6: a zip archive with a pickle that names the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.loading.file_format import ZIP, begins_with, weight_format

if TYPE_CHECKING:
    from compress_core.loading.stored import AskedWeights, DeclaredWeights


@weight_format(
    title="PyTorch state dict or checkpoint",
    order=2,
    recognizes=begins_with(ZIP),
    suffixes=("pt", "pth", "bin", "ckpt", "tar"),
    written_by="torch.save(model.state_dict(), path)",
)
def torch_zip(content: bytes, asked: AskedWeights) -> DeclaredWeights:
    """What a state dict or a checkpoint declares; nothing of its pickle is run."""
    from compress_core.loading.torch_file import declared_in_torch

    return declared_in_torch(content, asked)
