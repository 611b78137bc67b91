"""Texts of a report in the languages that the dashboard's catalogs know; read as files, not imported."""

from __future__ import annotations

import gettext
import importlib.util
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase

LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "zh": "中文"})
_DOMAINS = ("slimscope", "core")
Speak = Callable[[object], str]


def speak(code: str) -> Speak:
    """A function that says a text of the core in a language; names of files and people stay as they are.

    A phrase is said with its values; of other texts only those that the catalog knows change. Without the
    dashboard beside the core there is only English. Raises Refused for a language that is not there.
    """
    if code not in LANGUAGES:
        raise Refused(
            "There is no language {code}; known are {known}.", code=code, known=", ".join(LANGUAGES)
        )
    catalog = _catalog(code)

    def said(text: object) -> str:
        if isinstance(text, Phrase):
            values = {name: said(v) if isinstance(v, Phrase) else v for name, v in text.values.items()}
            return catalog.gettext(text.template).format(**values)
        return catalog.gettext(text) if isinstance(text, str) and text else str(text or "")

    return said


@lru_cache(maxsize=len(LANGUAGES))
def _catalog(code: str) -> gettext.NullTranslations:
    found = gettext.NullTranslations()
    place = importlib.util.find_spec("dashboard")
    folders = [] if place is None else list(place.submodule_search_locations or [])
    if code != "en":
        for folder in folders:
            for domain in _DOMAINS:
                locale = Path(folder) / "locale"
                found.add_fallback(gettext.translation(domain, locale, [code], fallback=True))
    return found
