"""Files that are there already: what slimscope wrote may be replaced, what others wrote only when asked for.

Each file says in itself whose it is: a packed file by its first bytes, safetensors and ONNX by their
metadata, a text by a line with a digest of all its other lines, so that one that was edited since is no
longer ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from safetensors import SafetensorError, safe_open

from compress_core.deliver.packed_file import MAGIC
from compress_core.foundation.errors import Refused

METADATA = "slimscope"  # the key in the metadata of safetensors and ONNX
ONNX_NOTE = "export"
_ONNX_END = METADATA.encode() + bytes([0x12, len(ONNX_NOTE)]) + ONNX_NOTE.encode()  # as protobuf ends it
_DIGITS = 12
_MARK = re.compile(rb'^(?:# |  "written_by": ")slimscope ([0-9a-f]{12}).*\n', re.MULTILINE)
_COMMENT, _MEMBER = b"# slimscope %s\n", b'  "written_by": "slimscope %s",\n'
_LONGEST_TEXT = 2**26


def marked(name: str, content: bytes) -> bytes:
    """A text with a line that says whose it is: a comment, or the first member of a JSON object.

    Other files say it in themselves and stay as they are.
    """
    match Path(name).suffix:
        case ".py" | ".yaml":
            return _COMMENT % _digest(content) + content
        case ".json" if content.startswith(b"{\n  "):
            return b"{\n" + _MEMBER % _digest(content) + content.removeprefix(b"{\n")
        case _:
            return content


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:_DIGITS].encode()


def refuse_to_replace(paths: Iterable[Path], *, force: bool) -> None:
    """Raise Refused where a path holds something that slimscope did not write, unless that is asked for.

    force lets files of others be replaced; folders never are.
    """
    for path in paths:
        if not (path.exists() or path.is_symlink()) or (path.is_file() and (force or _is_ours(path))):
            continue
        if not path.is_file():
            raise Refused("{path} is there already and is no file: choose another place.", path=path)
        raise Refused(
            "{path} is there already ({size:,} bytes) and was not written by slimscope, or was changed "
            "since: choose another place, or replace it with --force, in Python force=True.",
            path=path,
            size=path.stat().st_size,
        )


def _is_ours(path: Path) -> bool:
    """Whether a file says that slimscope wrote it; what cannot be read is somebody else's."""
    look = _LOOKS.get(path.suffix, _is_packed)
    try:
        return look(path)
    except (OSError, SafetensorError):
        return False


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_our_safetensors(path: Path) -> bool:
    with safe_open(path, "pt") as file:
        return METADATA in (file.metadata() or {})


def _is_our_onnx(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_ONNX_END)))
        return file.read() == _ONNX_END


def _is_unchanged_text(path: Path) -> bool:
    if path.stat().st_size > _LONGEST_TEXT:
        return False
    content = path.read_bytes()
    found = _MARK.search(content[: 4 * 64])
    return found is not None and _digest(content[: found.start()] + content[found.end() :]) == found[1]


_LOOKS: Mapping[str, Callable[[Path], bool]] = MappingProxyType(
    {
        ".safetensors": _is_our_safetensors,
        ".onnx": _is_our_onnx,
        ".py": _is_unchanged_text,
        ".yaml": _is_unchanged_text,
        ".yml": _is_unchanged_text,
        ".json": _is_unchanged_text,
    }
)
