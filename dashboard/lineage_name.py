"""What a model is called on a page, and what tells its downloads apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import _, label

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage, Train


def lineage_name(lineage: Lineage) -> str:
    """The one name that a model has everywhere, such as `1a2b3c4d + distill 9f0e`."""
    from compress_core.decide.operation_words import name_of

    return name_of(lineage) if lineage else _("unchanged")


def methods_text(training: Train) -> str:
    """How a model was trained, such as `Distill, Gradual`."""
    return ", ".join(label(name) for name in training.methods)


def lineage_in_file_name(lineage: Lineage) -> str:
    """The name as a part of the name of a file; empty for the original."""
    from compress_core.decide.operation_words import name_in_file_name

    return f"-{name_in_file_name(lineage)}" if lineage else ""
