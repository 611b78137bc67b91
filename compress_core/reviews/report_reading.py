"""A report from its file: JSON that has one meaning only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.strict_json import strictly_read
from compress_core.loading.own_file import content_of_file

_MOST_BYTES = 2**28


def report_in(path: Path) -> dict[str, Any]:
    """What the JSON file of a report holds; raises Refused where it cannot be read, or in two ways."""
    content = content_of_file(path, _MOST_BYTES)
    try:
        found = strictly_read(content)
    except ValueError as error:
        raise Refused(
            "{path} is no JSON of a report ({reason}): give the file that slimscope review wrote, as it was "
            "written.",
            path=path,
            reason=" ".join(str(error).split())[:200],
        ) from None
    if not isinstance(found, dict):
        raise Refused("{path} holds no report: give the file that slimscope review wrote.", path=path)
    return found
