"""The one catalog of every text a visitor sees, in English and Chinese.

English is the key and stands in the source: `_("Layer {name}").format(name=...)`. The translations lie
beside this file in locale/; `make messages` collects new texts and compiles them. Knows no Streamlit, so
that figures can speak: `dashboard.language` tells it what a visitor wishes, and in a worker or a test
`use_language` says the language.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable
from compress_core.foundation.texts import N_, Phrase

TOO_MUCH_MEMORY = N_("This takes more memory than the server gives: try a smaller file or fewer items.")
Wishes = Callable[[], Iterable[object]]

LOCALE = Path(__file__).parent / "locale"
DOMAINS = ("slimscope", "techniques", "core")
ENGLISH = "en"
_NAMES = MappingProxyType({ENGLISH: "English", "zh": "中文"})
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:&.@=-])")
_said: ContextVar[str | None] = ContextVar("slimscope_language", default=None)
_askers: list[Wishes] = []


def languages() -> Mapping[str, str]:
    """Every language on offer: its code and its own name."""
    return _NAMES


def _(msgid: str) -> str:
    """The text in the visitor's language, a phrase with its values; English where there is no translation."""
    if isinstance(msgid, Phrase):
        return _filled(msgid.template, msgid.values)
    return _catalog(current_language()).gettext(msgid) if msgid else ""


def spoken(text: str) -> str:
    """A phrase of the core in the visitor's language; any other text is a name and stays."""
    return _(text) if isinstance(text, Phrase) else text


def _filled(template: str, values: Mapping[str, object]) -> str:
    """The template in the visitor's language with its values, which may be phrases or refusals themselves."""
    return _(template).format(**{name: _value(value) for name, value in values.items()})


def _value(value: object) -> object:
    match value:
        case str():
            return spoken(value)
        case Refused():
            return refusal(value)
        case _:
            return value


def translated(text: str) -> str:
    """A text that the core brought, such as the summary of a technique, in the visitor's language."""
    return _(text)


_WRITTEN = {  # as their papers write them
    "activation_l1": "Activation L1",
    "gptq": "GPTQ",
    "grad_cam": "Grad-CAM",
    "kmeans": "k-means",
    "macs": "MACs",
    "nsga2": "NSGA-II",
    "qat": "QAT",
    "rigl": "RigL",
    "set": "SET",
    "sparsegpt": "SparseGPT",
    "srigl": "SRigL",
    "tpe": "TPE",
}


def as_words(name: str) -> str:
    """A name of the core as English words: share_removed -> Share removed."""
    return _WRITTEN.get(name) or name.replace("_", " ").capitalize()


def label(name: str) -> str:
    """What a technique, a knob or a choice is called in the visitor's language, from its name in the core."""
    return _(as_words(name))


def refusal(error: Refused) -> str:
    """The sentence of a refusal in the visitor's language, with its values, as plain text."""
    return _filled(error.text, error.values)


def literal(text: str) -> str:
    """Text as Markdown that shows every character as it is: for names that a file brought."""
    return _MARKDOWN.sub(r"\\\1", printable(" ".join(text.split())))


def current_language() -> str:
    """The code of the language now spoken: said by code, chosen, in the link, of the browser, or English."""
    said = _said.get()
    return _asked_for() if said is None else said


def speak_as_asked() -> None:
    """Ask once which language is wished, and speak it in this thread: a page says some hundred texts."""
    _said.set(_asked_for())


def _asked_for() -> str:
    wishes = (wish for ask in _askers for wish in ask())
    return next((code for wish in wishes if (code := code_of(wish)) is not None), ENGLISH)


def asks(wishes: Wishes) -> Wishes:
    """Mark what says which languages a visitor wishes, the most wanted first; none where nobody visits."""
    _askers.append(wishes)
    return wishes


@contextmanager
def use_language(code: str) -> Iterator[None]:
    """Speak this language inside the `with` block, whatever the session says; for tests and workers."""
    if code not in _NAMES:
        raise Refused("There is no language {code}; known are {known}.", code=code, known=", ".join(_NAMES))
    token = _said.set(code)
    try:
        yield
    finally:
        _said.reset(token)


def code_of(wish: object) -> str | None:
    """A browser's locale such as zh-Hans-CN -> the code of a language on offer, None for any other."""
    primary = re.split(r"[-_]", wish)[0].lower() if isinstance(wish, str) else ""
    return primary if primary in _NAMES else None


@lru_cache(maxsize=len(_NAMES))
def _catalog(code: str) -> gettext.NullTranslations:
    first = gettext.NullTranslations()
    if code != ENGLISH:
        for domain in DOMAINS:
            first.add_fallback(gettext.translation(domain, LOCALE, [code], fallback=True))
    return first


@contextmanager
def refusals_told(tell: Callable[[str], object]) -> Iterator[None]:
    """Have what was refused told as a sentence."""
    try:
        yield
    except Refused as refused:
        tell(refusal(refused))
    except (MemoryError, RecursionError):
        tell(_(TOO_MUCH_MEMORY))
