"""A link as a QR code, for phones that look at a wall: black on white in every theme, with its quiet zone."""

from __future__ import annotations

import io
from dataclasses import dataclass

import segno
from segno import DataOverflowError

QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks for
FINE_MODULES = 61  # beyond this many a side, a phone has to come near the screen


@dataclass(frozen=True)
class QrCode:
    """The picture of a text as SVG, and how many modules it has a side without its quiet zone."""

    svg: str
    modules: int

    @property
    def modules_shown(self) -> int:
        """How many modules the picture has a side."""
        return self.modules + 2 * QUIET_ZONE

    @property
    def is_fine(self) -> bool:
        """Whether the back rows of a room cannot read it."""
        return self.modules > FINE_MODULES


def qr_code(text: str) -> QrCode | None:
    """The code of a text with as much correction as fits the same size; None where it is too long for any."""
    try:
        made = segno.make(text, error="l", micro=False)
    except DataOverflowError:
        return None
    picture = io.BytesIO()
    made.save(
        picture,
        kind="svg",
        border=QUIET_ZONE,
        dark="#000000",
        light="#ffffff",
        xmldecl=False,
        omitsize=True,
        nl=False,
    )
    return QrCode(picture.getvalue().decode("utf-8"), len(made.matrix))
