"""Files named by the sha-256 of their content, on the disk or in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from compress_core.foundation.atomic_file import UNFINISHED, remove_abandoned, write_whole


def sha_of(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()


class Cabinet(Protocol):
    """Where contents lie."""

    def put(self, content: bytes) -> str:
        """Keep a content and give its name; one that is there already is not written again."""

    def content(self, digest: str) -> bytes | None:
        """The content of a name; None where it is missing or damaged. OSError where it cannot be read now."""

    def path(self, digest: str) -> Path | None:
        """The file; None where there is none."""

    def has(self, digest: str) -> bool:
        """Whether there is a content of that name, unchecked."""

    def remove(self, digest: str) -> None:
        """Let go of a content."""

    def older_than(self, moment: float) -> Iterator[str]:
        """Names of contents from before a moment; files that a killed process had begun go at once."""


class Drawer:
    """Contents as files, in subfolders named by the first two digits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def put(self, content: bytes) -> str:
        """Keep a content and give its name; one that is there already is not written again."""
        digest = sha_of(content)
        place = self._place(digest)
        if not place.exists():
            write_whole(place, content)
        return digest

    def content(self, digest: str) -> bytes | None:
        """The content of a name; None where it is missing or damaged. OSError where it cannot be read now."""
        try:
            found = self._place(digest).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        return found if sha_of(found) == digest else None

    def path(self, digest: str) -> Path | None:
        """The file; None where there is none."""
        place = self._place(digest)
        return place if place.is_file() else None

    def has(self, digest: str) -> bool:
        """Whether there is a content of that name, unchecked."""
        return self._place(digest).is_file()

    def remove(self, digest: str) -> None:
        """Let go of a content."""
        with suppress(OSError):
            self._place(digest).unlink()

    def older_than(self, moment: float) -> Iterator[str]:
        """Names of contents from before a moment; files that a killed process had begun go at once."""
        for folder in self._folder.glob("??"):
            remove_abandoned(folder)
            for file in folder.iterdir():
                with suppress(OSError):
                    if file.stat().st_mtime >= moment:
                        continue
                    if file.name.endswith(UNFINISHED):
                        file.unlink()
                    else:
                        yield file.name


class Pocket:
    """Contents in memory, for a workspace that leaves nothing on the disk."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Keep a content and give its name."""
        digest = sha_of(content)
        self._contents[digest] = content
        return digest

    def content(self, digest: str) -> bytes | None:
        """The content of a name; None where it is missing."""
        return self._contents.get(digest)

    def path(self, digest: str) -> Path | None:  # noqa: ARG002 - a content in memory has no file
        """None: nothing lies on the disk."""
        return None

    def has(self, digest: str) -> bool:
        """Whether there is a content of that name."""
        return digest in self._contents

    def remove(self, digest: str) -> None:
        """Let go of a content."""
        self._contents.pop(digest, None)

    def older_than(self, moment: float) -> Iterator[str]:  # noqa: ARG002 - what is in memory is known
        """Nothing: memory ends with the process, so a crash leaves nothing there."""
        return iter(())
