"""Collect every text a visitor sees, update the Chinese catalog and compile it: `make messages`.

slimscope.pot holds what stands in the source, techniques.pot what techniques and training methods say,
core.pot what else the core declares: cards of the samples, metrics, attribution methods, ready-made gates,
limits of knobs.
Templates carry no line numbers, dates or paths of a machine, so they change only when a text does.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from pydantic import BaseModel

from dashboard.text import as_words

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "dashboard" / "locale"
TRANSLATED = ("zh",)
SOURCES = ("app.py", "pages", "dashboard", "compress_core")
# Which argument is the text. `N_` and Phrase are those of foundation.texts, missing that of Number.
KEYWORDS: Mapping[str, int] = MappingProxyType({"_": 0, "N_": 0, "Phrase": 0, "Refused": 0, "missing": 1})
_SAYS = re.compile(rf"\b(?:{'|'.join(KEYWORDS)})\s*\(")
_LIMITS = (
    ("less_than_equal", "le"),
    ("less_than", "lt"),
    ("greater_than_equal", "ge"),
    ("greater_than", "gt"),
)
_NUMBERS = ("int_type", "int_from_float", "int_parsing", "float_type", "float_parsing", "finite_number")
_OTHERS = ("bool_type", "bool_parsing", "string_type")
SPLITS = ("validation", "test")
CONSTRAINTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{kind: {limit: 0} for kind, limit in _LIMITS},
        "literal_error": {"expected": ""},
        **{kind: {} for kind in (*_NUMBERS, *_OTHERS)},
    }
)
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
WIDTH = 110


def source_template() -> Catalog:
    """Every text that stands in the source, with the files that say it."""
    catalog = _empty("slimscope")
    for path in _source_files():
        place = path.relative_to(ROOT).as_posix()
        for said in literals(path.read_text(encoding="utf-8")):
            catalog.add(said, locations=[(place, 0)])
    return catalog


def literals(source: str) -> Iterator[str]:
    """The texts that stand in a file, those inside f-strings too."""
    if not _SAYS.search(source):
        return  # no parser needed
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments) if (
                name in KEYWORDS and len(arguments) > KEYWORDS[name]
            ):
                match arguments[KEYWORDS[name]]:
                    case ast.Constant(value=str() as said) if said:
                        yield said


def technique_template() -> Catalog:
    """What techniques and training methods say of themselves: names, summaries, knobs with their choices."""
    from compress_core.techniques.contract.technique import techniques

    catalog = _empty("techniques")
    for technique in techniques().values():
        for said in (as_words(technique.name), technique.summary, *_said_of_knobs(technique.knobs)):
            catalog.add(said, locations=[(technique.name, 0)])
    for place, said in _said_of_trainings():
        catalog.add(said, locations=[(place, 0)])
    return catalog


def _said_of_trainings() -> Iterator[tuple[str, str]]:
    from compress_core.training.method import training_methods
    from compress_core.training.plan import TrainingKnobs

    yield from (("training", said) for said in _said_of_knobs(TrainingKnobs))
    for method in training_methods().values():
        for said in (as_words(method.name), method.summary, *_said_of_knobs(method.knobs)):
            yield method.name, said


def _said_of_knobs(knobs: type[BaseModel]) -> Iterator[str]:
    from compress_core.foundation.declared_knobs import unit_of

    for name, field in knobs.model_fields.items():
        yield as_words(name)
        if field.description:
            yield field.description
        if unit_of(field):
            yield unit_of(field)
        examples = map(str, field.examples or ())
        yield from (as_words(example) for example in examples if example.replace("_", "").isalpha())
        if get_origin(field.annotation) is Literal:
            yield from (as_words(str(choice)) for choice in get_args(field.annotation))


def core_template() -> Catalog:
    """What else of the core's own words is shown, with what says it."""
    catalog = _empty("core")
    said_of = (_said_of_samples, _said_of_measures, _said_of_recipes, _said_of_tasks, _said_of_gates)
    for place, said in (pair for each in said_of for pair in each()):
        catalog.add(said, locations=[(place, 0)])
    return catalog


def _said_of_samples() -> Iterator[tuple[str, str]]:
    from compress_core.loading.cards import cards

    for card in cards().values():
        yield from ((card.name, said) for said in (card.title, card.summary, card.task))
    yield from (("split", split) for split in SPLITS)


def _said_of_measures() -> Iterator[tuple[str, str]]:
    from compress_core.measure.behavior.metric import metrics
    from compress_core.measure.cost.portability import portability_texts
    from compress_core.measure.explain.attribution import attribution_methods

    yield from portability_texts()
    for metric in metrics().values():
        yield from ((metric.name, said) for said in (metric.title, metric.interval, metric.summary) if said)
    for method in attribution_methods().values():
        yield from ((method.name, said) for said in (as_words(method.name), method.summary))


def _said_of_gates() -> Iterator[tuple[str, str]]:
    from compress_core.reviews.gate_file import read_gates, ready_made_gates

    for name, text in ready_made_gates().items():
        gates = read_gates(text)
        yield from ((name, said) for said in (gates.title, *(gate.reason for gate in gates.gates)) if said)


def _said_of_recipes() -> Iterator[tuple[str, str]]:
    from compress_core.foundation.declared_knobs import constraint_text
    from compress_core.techniques.contract.technique import Stage

    yield from (("stage", stage.name.lower()) for stage in Stage)
    yield from (("knob", constraint_text(kind, limits)) for kind, limits in CONSTRAINTS.items())


def _said_of_tasks() -> Iterator[tuple[str, str]]:
    """Knobs of long work that say what they are, those of plans inside a plan too."""
    from compress_core.jobs.task import tasks

    for kind, task in tasks().items():
        yield from ((kind, said) for plan in _plans(task.knobs) for said in _said_of_described(plan))


def _plans(knobs: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield knobs
    for field in knobs.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _plans(field.annotation)


def _said_of_described(knobs: type[BaseModel]) -> Iterator[str]:
    if all(field.description for field in knobs.model_fields.values()):
        yield from _said_of_knobs(knobs)


TEMPLATES: Mapping[str, Callable[[], Catalog]] = MappingProxyType(
    {"slimscope": source_template, "techniques": technique_template, "core": core_template}
)


def texts(catalog: Catalog) -> Iterator[Message]:
    """The messages of a catalog without its header."""
    return (message for message in catalog if message.id)


def read(path: Path, locale: str | None = None) -> Catalog:
    """A catalog from its .po or .pot file; empty where there is no file yet."""
    if not path.exists():
        return _empty(path.stem, locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale, domain=path.stem)


def compiled(catalog: Catalog) -> bytes:
    """The catalog in the binary form that gettext reads."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def po_file(domain: str, language: str) -> Path:
    """Where the translations of a domain lie."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def update(domain: str) -> None:
    """Write the template of a domain, bring its translations up to date and compile them."""
    template = TEMPLATES[domain]()
    LOCALE.mkdir(parents=True, exist_ok=True)
    _write(LOCALE / f"{domain}.pot", template)
    for language in TRANSLATED:
        path = po_file(domain, language)
        catalog = read(path, language)
        catalog.update(template, no_fuzzy_matching=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, catalog)
        path.with_suffix(".mo").write_bytes(compiled(read(path, language)))
        missing = sum(not message.string for message in texts(catalog))
        print(f"{path.relative_to(ROOT)}: {len(catalog)} texts, {missing} without a translation")


def _source_files() -> Iterable[Path]:
    for name in SOURCES:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] * path.exists()


def _empty(domain: str, locale: str | None = None) -> Catalog:
    return Catalog(
        locale=locale,
        domain=domain,
        project="Slimscope",
        version="0.1",
        creation_date=NO_DATE,
        revision_date=NO_DATE,
        header_comment=f"# Texts of Slimscope: {domain}.",
        fuzzy=False,
    )


def _write(path: Path, catalog: Catalog) -> None:
    catalog.creation_date = catalog.revision_date = NO_DATE
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = "Slimscope"
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=WIDTH, sort_output=True, include_lineno=False, ignore_obsolete=True)
    path.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    for name in TEMPLATES:
        update(name)
