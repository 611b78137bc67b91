"""Write the reference of techniques, training methods and ONNX operators; `--check` only compares.

Nothing of docs/reference is written by hand, so it says what the code does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from compress_core.foundation.knobs import Unit
from compress_core.loading.onnx_file.file_parts import NEWEST, OLDEST
from compress_core.loading.onnx_file.understanding import known_operators
from compress_core.techniques.contract.technique import Technique, techniques
from compress_core.training.method import TrainingMethod, training_methods
from compress_core.training.plan import TrainingKnobs

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
HEAD = """# Techniques

Written by `make docs` from `compress_core/techniques/`: change a text there, not here.
"""
HEAD_OF_TRAINING = """# Training methods

Written by `make docs` from `compress_core/training/`: change a text there, not here.

## Every training
"""
HEAD_OF_ONNX = f"""# ONNX files

Written by `make docs`: change a text in `scripts/docs.py`, an operator in
`compress_core/loading/onnx_file/operators/`.

`slimscope layers model.onnx`, `compress_core.load("model.onnx", items, labels)` and the upload on *Start*
open a file as a network of torch's own layers: convolutions, linear layers and norms are the modules that
techniques, coupled groups, attributions and exports know. What only reckons with sizes is worked out when
the file is opened, except for the number of items, which stays open; a file that was written for one
number of items answers for any.

**What must be so.** One file with its weights inside, operator set {OLDEST} to {NEWEST} of `ai.onnx`. The
first size of each input counts items, and all others are numbers, or those of the items that are given.
Several inputs, such as `input_ids` and `attention_mask`, are arrays of these names in the `.npz`; of
several outputs the one called `logits` or `scores` is judged. Numbers are computed in float32; words may
be int64 or int32. Weights in whole numbers (`DequantizeLinear`) become what they stand for, with a
warning that names their layers; values that are rounded on the way (`QuantizeLinear`, `DequantizeLinear`)
are rounded as the two say.

**What is refused**, with the operators named and where they sit: operators that are not in the table,
`If`, `Loop` and `Scan`, functions, other domains (`com.microsoft`, `ai.onnx.ml`), external data, sparse
tensors and texts, and every attribute that is not honored exactly: nothing is guessed. What mixes the
items of a batch is refused too.

**Agreement.** The network is compared with ONNX Runtime, which is given the same file, on 8 random items
and up to 32 of yours. The largest difference stands in the model's summary; beyond 1e-5 of the largest
answer (2 % where values are rounded on the way, since one at the border of two codes may get the other)
the file is not opened.

**On a server** a file of anybody is read by our own reader in a process with limits, byte for byte: a
field, a type or a number that it does not know is refused before anything is made of it. Only what was
understood entirely is then given to ONNX Runtime, in another process with limits of memory and time,
which ends with the comparison. Limits are no sandbox: whoever serves strangers runs the server as a user
that may do nothing else. What the runtime does not answer is opened with a warning that says that it was
not compared.
"""
BOUNDS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
)


def reference() -> Mapping[Path, str]:
    """Every generated file and what must stand in it."""
    sections = [HEAD, *(_section(technique) for technique in techniques().values())]
    trainings = [HEAD_OF_TRAINING, *_table(TrainingKnobs), ""]
    trainings += [_training(method) for method in training_methods().values()]
    return {
        REFERENCE / "techniques.md": "\n".join(sections),
        REFERENCE / "training.md": "\n".join(trainings),
        REFERENCE / "onnx.md": "\n".join([HEAD_OF_ONNX, *_operators(), ""]),
    }


def _operators() -> Iterator[str]:
    yield "| operator | becomes |"
    yield "|---|---|"
    for name, entry in sorted(known_operators().items()):
        yield f"| `{name}` | {entry.becomes} |"


def stale() -> list[Path]:
    """The generated files that do not say what the code says now."""
    return [path for path, said in reference().items() if _stands_in(path) != said]


def _stands_in(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _section(technique: Technique) -> str:
    stage = technique.stage.name.lower()
    lines = [f"## {technique.name}", "", technique.summary, ""]
    lines += [f"{technique.details}", ""] if technique.details else []
    lines += [f"Stage: {stage}. Needs: {', '.join(f'`{need}`' for need in technique.needs)}.", ""]
    lines += [*_table(technique.knobs), ""] if technique.knobs.model_fields else []
    return "\n".join([*lines, f"Source: {technique.source}", ""])


def _training(method: TrainingMethod) -> str:
    lines = [f"## {method.name}", "", method.summary, ""]
    lines += [f"{method.details}", ""] if method.details else []
    lines += [*_table(method.knobs), ""] if method.knobs.model_fields else []
    return "\n".join([*lines, f"Source: {method.source}", ""])


def _table(knobs: type[BaseModel]) -> Iterator[str]:
    properties = knobs.model_json_schema()["properties"]
    yield "| knob | values | default | unit | meaning |"
    yield "|---|---|---|---|---|"
    for name, field in knobs.model_fields.items():
        unit = next((m.symbol for m in field.metadata if isinstance(m, Unit)), "")
        cells = (
            f"`{name}`",
            _values(properties[name]),
            _default(properties[name]),
            unit,
            field.description or "",
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _values(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: choices, alternatives, or type and bounds."""
    match schema:
        case {"enum": choices}:
            return ", ".join(f"`{choice}`" for choice in choices)
        case {"anyOf": alternatives}:
            return " or ".join(_values(alternative) for alternative in alternatives)
        case {"type": "null"}:
            return "none"
        case {"examples": examples}:
            return "such as " + ", ".join(f"`{example}`" for example in examples)
        case _:
            bounds = (words.format(schema[bound]) for bound, words in BOUNDS if bound in schema)
            return " ".join((str(schema.get("type", "")), ", ".join(bounds))).strip()


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return "required"
    return "none" if schema["default"] is None else f"`{schema['default']}`"


def main() -> int:
    """Write the reference; with --check, status 1 where it is out of date."""
    outdated = stale()
    if "--check" in sys.argv[1:]:
        for path in outdated:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`")
        return min(len(outdated), 1)
    for path in outdated:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reference()[path], encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
