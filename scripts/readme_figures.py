"""Write what the README says of its recipe from its own commands: `make docs`; `--check` only compares.

The recipe is the one that stands there. The paragraph between the two marks is made by what `slimscope pack`
and `slimscope compare --split test` find, so it says what they print.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # another number of threads gives other bits

import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare
from compress_core.recipe.reading import read_recipe

README = Path(__file__).resolve().parent.parent / "README.md"
MODEL = "resnet"
BEGIN, END = "<!-- figures of the recipe: python scripts/readme_figures.py -->", "<!-- end of figures -->"


def recipe_text(readme: str) -> str:
    """The recipe of the README, its first block of YAML that names a version."""
    found = re.search(r"```yaml\n(version.*?)```", readme, re.DOTALL)
    assert found is not None, "the README shows a recipe"
    return found.group(1)


def paragraph(readme: str, store: Store) -> str:
    """What the recipe costs and saves, and who pays for it."""
    torch.set_num_threads(1)
    subject = load_sample(MODEL)
    model = compress(subject, read_recipe(recipe_text(readme)), store)
    on_test, on_validation = (compare(model, subject.split(name), store) for name in ("test", "validation"))
    change = on_test.numbers["accuracy_change"]
    bytes_before, bytes_now = Model.original(subject).file_bytes, len(pack_bytes(model))
    gained = (
        f"Without any training this takes `{MODEL}` from {bytes_before:,} to {bytes_now:,} bytes (packed) at "
        f"a change of {_points(change)} points of accuracy on {change.n:,} test items, as "
        f"`slimscope compare {MODEL} recipe.yaml --split test` prints."
    )
    elsewhere = (
        f"Without `--split test` the command looks at the {on_validation.after.n:,} validation items, where "
        f"the change is {_points(on_validation.numbers['accuracy_change'])}."
    )
    return " ".join((gained, _who_is_hurt(on_test, subject.classes), elsewhere))


def _points(change: Number) -> str:
    assert change.value is not None, "labels are there"
    return f"{change.value:+.2f} [{change.low:+.2f}, {change.high:+.2f}]"


def _who_is_hurt(found: Comparison, classes: tuple[str, ...]) -> str:
    """The class that lost most items, beside what all lost."""
    changed = found.changed_items().query("kind == 'right_to_wrong'")
    if changed.empty:
        return "No item that was right is wrong now."
    worst, lost = changed["label"].mode().iloc[0], changed["label"].value_counts().max()
    row = found.per_class().set_index("class").loc[int(worst)]
    return (
        f"Not everybody pays alike: {lost} of the {len(changed)} items that were right and are wrong now "
        f"show the digit {classes[int(worst)]}, whose {row['n']:.0f} items lose {row['change']:+.2f} points "
        f"[{row['low']:+.2f}, {row['high']:+.2f}; intervals simultaneous over {len(classes)} classes]."
    )


def written(readme: str, store: Store) -> str:
    """The README with that paragraph as it is today."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{paragraph(readme, store)}\n{END}{after}"


def main() -> int:
    """Write the paragraph; with --check, status 1 where it is out of date."""
    readme = README.read_text(encoding="utf-8")
    today = written(readme, Store())
    if today == readme:
        return 0
    if "--check" in sys.argv[1:]:
        print("README.md is out of date: run `python scripts/readme_figures.py`")
        return 1
    README.write_text(today, encoding="utf-8")
    print("written: README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
