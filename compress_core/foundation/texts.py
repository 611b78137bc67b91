"""English texts of the core that a page shows in the visitor's language.

The core speaks English and knows no catalog. It marks what is translated where it is shown: `N_` a
constant, `Phrase` a text with values of its own.
"""

from __future__ import annotations

from typing import Self


def N_(text: str) -> str:  # noqa: N802 - the name that gettext tools know
    """The same text; marks a literal for the catalog."""
    return text


class Phrase(str):
    """An English text that still knows its template and values, so that it can be translated.

    The template is a literal; a value may be a phrase again. What copies a phrase as plain text (a data
    frame, JSON) leaves the English.
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, **values: object) -> Self:
        phrase = super().__new__(cls, template.format(**values))
        phrase.template, phrase.values = template, values
        return phrase

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (self.template,), self.values
