"""The recipe of a budget beside uniform ratios and global magnitude, at the same bytes of the packed file.

Uniform: every layer at the same sparsity and the same bits. Global: one magnitude threshold over all layers,
the same bits. Of both the bits of least divergence on validation items are taken, and the sparsity at which
the file just fits. All three are chosen on validation items and told on test items. With a folder in
SLIMSCOPE_STUDIES it goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from math import log

from benchmarks.networks import FULL, Size
from benchmarks.study_store import kept_line, study_store
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.budgeting import FAMILIES, Budgeted, BudgetPlan, budgeted
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.solve import CLOSE
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.named import named_subject
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict
from compress_core.recipe.values import Recipe, Rule, Step

BUDGETS = {"lenet5": (0.06, 0.03, 0.015), "resnet": (0.14, 0.1, 0.07), "vit": (0.3, 0.22, 0.17, 0.15)}
FEWER = {"tabular": (0.4,)}
BITS = (2, 3, 4, 5, 6, 8)
TRIES, AIM = 8, 1 - CLOSE / 2
BITS_OF_POSITION = 3  # that a weight which stays takes beside its own, for a first guess
_HEADS = (
    "network",
    "packed bytes",
    "polish: KL before, after, nat",
    "mutations (kept)",
    "budget, points",
    "uniform, points",
    "against uniform",
    "global magnitude, points",
    "against global",
    "CPU s",
)


def lines(size: Size) -> Iterator[str]:
    """A line for each network and budget; points are changes of accuracy on test items."""
    yield "| " + " | ".join(_HEADS) + " |"
    yield "| " + " | ".join(["---"] * len(_HEADS)) + " |"
    for name, shares in (BUDGETS if size == FULL else FEWER).items():
        parent, store = Model.original(named_subject(name)), study_store()
        whole = packed_size(parent, store).value
        assert whole is not None, "a sample can be packed"
        for share in shares:
            wanted = parent, round(share * whole), 40 if size == FULL else 2
            yield kept_line(store, (name, *wanted[1:]), partial(_line, *wanted, store))
    yield "Against: the difference on the same test items, paired; above 0 the budget's recipe is better."


def _line(parent: Model, budget: int, evaluations: int, store: Store) -> str:
    began = time.process_time()
    plan = BudgetPlan(
        requirements=Requirements(packed_bytes=budget),
        scan=ScanPlan(families=FAMILIES),
        evaluations=evaluations,
    )
    found: Budgeted = result_of(budgeted(parent, plan, store))
    rivals = [_rival(parent, budget, scope, store) for scope in ("layer", "network")]
    told = [_change(parent, found.model, store)]
    for rival in rivals:
        told += [_change(parent, rival, store), _change(rival, found.model, store)]
    polished, size = found.polished, packed_size(found.model, store).value
    cells = [
        parent.subject.name,
        f"{size:,.0f} of {budget:,}",
        f"{polished.before:.4f}, {polished.after:.4f}",
        f"{polished.evaluations} ({polished.accepted})",
        *told,
        f"{time.process_time() - began:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _rival(parent: Model, budget: int, scope: str, store: Store) -> Model | None:
    """The model of least divergence on validation items that fits; None where none does."""
    fitting = [model for bits in BITS if (model := _fitted(parent, budget, scope, bits, store)) is not None]
    return min(fitting, key=lambda model: _kl(parent, model, store), default=None)


def _fitted(parent: Model, budget: int, scope: str, bits: int, store: Store) -> Model | None:
    """The largest file within the budget, by the share of weights that stays; None where none was found.

    The logarithm of a file's size is near a straight line in that of the share: secants come close in three
    or four files.
    """
    weights = sum(layer.weights for layer in parent.subject.layers)
    kept, slope, best, before = min(1.0, 8 * budget / weights / (bits + BITS_OF_POSITION)), 0.9, None, None
    for _ in range(TRIES):
        model = compress(parent.subject, _alike(1 - kept, scope, bits), store)
        size = packed_size(model, store).value or 0.0
        if size <= budget and (best is None or size > best[1]):
            best = model, size
        if best is not None and (best[1] >= (1 - CLOSE) * budget or (kept == 1 and size <= budget)):
            break
        if before is not None and before[0] != kept:
            slope = min(max(log(size / before[1]) / log(kept / before[0]), 0.3), 2.0)
        before = kept, size
        kept = min(1.0, kept * (AIM * budget / size) ** (1 / slope))
    return None if best is None else best[0]


def _alike(sparsity: float, scope: str, bits: int) -> Recipe:
    prune = Step.of("magnitude", sparsity=round(sparsity, 6), scope=scope)
    return Recipe((Rule("*", (prune, Step.of("uniform", bits=bits, granularity="per_channel"))),))


def _kl(parent: Model, model: Model, store: Store) -> float:
    split = parent.subject.split("validation")
    found = Comparison(predict(parent, split, store), predict(model, split, store)).numbers["kl"].value
    return float("inf") if found is None else found


def _change(before: Model | None, after: Model | None, store: Store) -> str:
    if before is None or after is None:
        return "does not fit"
    split = before.subject.split("test")
    change: Number = Comparison(predict(before, split, store), predict(after, split, store)).numbers[
        "accuracy_change"
    ]
    if change.value is None or change.low is None or change.high is None:
        return "not measured"
    return f"{change.value:+.2f} ({change.low:+.2f} to {change.high:+.2f})"
