"""Safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.loading.file_format import begins_with, weight_format

if TYPE_CHECKING:
    from compress_core.loading.stored import AskedWeights, DeclaredWeights


@weight_format(
    title="safetensors",
    order=1,
    recognizes=begins_with(b"{", at=8),  # eight bytes of length, then a JSON object
    suffixes=("safetensors",),
    written_by="safetensors.torch.save_file",
)
def safetensors(content: bytes, asked: AskedWeights) -> DeclaredWeights:
    """What the header declares; no tensor is allocated."""
    from compress_core.loading.safetensors_file import declared_in_safetensors
    from compress_core.loading.stored import DeclaredWeights, refuse_entry

    refuse_entry(asked)
    return DeclaredWeights(declared_in_safetensors(content, asked.caps))
