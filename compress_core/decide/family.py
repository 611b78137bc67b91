"""The four ways in which a place of a network becomes smaller."""

from __future__ import annotations

from enum import StrEnum

from compress_core.foundation.texts import N_, Phrase


class Family(StrEnum):
    """What is done to a place: weights go, channels go, the rank falls, or codes get shorter."""

    PRUNE = "prune"
    STRUCTURE = "structure"
    RANK = "rank"
    BITS = "bits"

    @property
    def label(self) -> Phrase:
        """What it is called on a page, which can be translated."""
        return Phrase(_LABELS[self])


_LABELS = {
    Family.PRUNE: N_("Fewer weights"),
    Family.STRUCTURE: N_("Fewer channels"),
    Family.RANK: N_("Lower rank"),
    Family.BITS: N_("Fewer bits"),
}
