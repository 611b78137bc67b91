"""Files that people take for weights and that are not read: what each is, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.file_parts import begins_like_onnx
from compress_core.loading.stored import shown

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ONNX = ".onnx"
_POINTER = b"version https://git-lfs.github.com"


@dataclass(frozen=True)
class _OtherFormat:
    """A format by how it begins, or, where it has no sign, by how its files end; and the sentence for it."""

    sentence: str
    begins: Callable[[bytes], bool] = lambda _: False
    suffix: str | None = None


_OTHERS = (
    _OtherFormat(
        N_(
            "The file '{file}' is HDF5, as Keras and TensorFlow write it, and networks here are PyTorch's. "
            "Build the same network in PyTorch, copy the weights and upload "
            "torch.save(model.state_dict(), path)."
        ),
        begins=lambda content: content.startswith(_HDF5),
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is a TensorFlow Lite model, which was converted for devices already. Upload "
            "the state dict of a PyTorch network: torch.save(model.state_dict(), path)."
        ),
        begins=lambda content: content[4:8] == b"TFL3",
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is GGUF, a language model that was quantized for llama.cpp already. Start "
            "from the safetensors that it was made from: what is lost by quantizing shows only beside them."
        ),
        begins=lambda content: content.startswith(b"GGUF"),
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is a pointer of Git LFS, not the weights themselves. Fetch them with git lfs "
            "pull, and give the file that is there then."
        ),
        begins=lambda content: content.startswith(_POINTER),
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is a web page, not weights: the download led to a page, as one that asks for "
            "a login. Download the file itself and give that."
        ),
        begins=lambda content: content[:64].lstrip().lower().startswith((b"<!doctype html", b"<html")),
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is compressed by gzip. Unpack it first, and give the file of weights that is "
            "in it."
        ),
        begins=lambda content: content.startswith(b"\x1f\x8b"),
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is a TensorFlow graph (.pb), and networks here are PyTorch's. Build the same "
            "network in PyTorch, copy the weights and upload torch.save(model.state_dict(), path)."
        ),
        suffix=".pb",
    ),
    _OtherFormat(
        N_(
            "The file '{file}' is an ONNX file, a whole network and not weights alone. Give the state dict "
            "of the PyTorch network it was exported from: torch.save(model.state_dict(), path)."
        ),
        suffix=_ONNX,
    ),
)


def refuse_other_format(content: bytes, name: str) -> None:
    """Raise Refused where bytes that begin like no format here are known; name is the file's."""
    if name.lower().endswith(_ONNX) and not begins_like_onnx(content):
        raise Refused(
            "The file '{file}' is called an ONNX file and is none: it {got}. Export the network anew, with "
            "torch.onnx.export(model, items, path), or look whether the download is whole.",
            file=shown(name),
            got=Phrase("begins with other bytes ({bytes})", bytes=content[:4].hex(" "))
            if content
            else Phrase("is empty"),
        )
    for other in _OTHERS:
        ends_so = other.suffix is not None and name.lower().endswith(other.suffix)
        if ends_so or other.begins(content):
            raise Refused(other.sentence, file=shown(name))
