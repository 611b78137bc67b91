"""The words of a report, by the names under which its template knows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compress_core.foundation.texts import N_
from compress_core.reviews.gate_verdict import Outcome

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "title": N_("Review of a compressed model"),
        "decided_by": N_("Decided by"),
        "worst_class": N_("Worst class"),
        "got_worse": N_("Classes that surely got worse (Holm)"),
        "none": N_("none"),
        "gates": N_("Gates"),
        "gate": N_("Gate"),
        "required": N_("required"),
        "advisory": N_("advisory"),
        "value": N_("Value"),
        "interval": N_("95 % interval"),
        "against": N_("Against the limit"),
        "how": N_("How"),
        "to_decide": N_("Items that would decide (estimated)"),
        "no_gates": N_("There is no gate, so nothing was judged and nothing passes."),
        "classes": N_("Classes"),
        "how_of_classes": N_(
            "Intervals of classes hold together, so they reach further down than that of a gate on the worst "
            "class, where each class has to clear the limit by its own interval (Berger 1982). Holm's method "
            "finds the classes that got worse."
        ),
        "class": N_("Class"),
        "before": N_("Before"),
        "after": N_("After"),
        "change": N_("Change"),
        "flips": N_("Items that changed their predicted class"),
        "right_to_wrong": N_("right to wrong"),
        "wrong_to_right": N_("wrong to right"),
        "wrong_to_wrong": N_("wrong to wrong"),
        "changed": N_("changed"),
        "item": N_("Item"),
        "in_file": N_("{number} in the file"),
        "label": N_("Right answer"),
        "count": N_("Items"),
        "attribution": N_("What the models look at"),
        "of_flips": N_("Exactly the items that changed"),
        "of_sample": N_("A random sample"),
        "shift": N_("Between chance (left) and noise (right)"),
        "similarity": N_("Similarity (median rank correlation)"),
        "ceiling": N_("Noise ceiling"),
        "floor": N_("Random floor"),
        "position": N_("From floor (0) to ceiling (1)"),
        "numbers": N_("Other numbers"),
        "sizes": N_("Sizes and times"),
        "not_tested": N_("Not tested"),
        "looks": N_("Looks at these items"),
        "models_looked": N_("Models made of this one that were looked at on these items"),
        "not_counted": N_("not counted: these are no test items, and recipes are chosen on them"),
        "first_look": N_("First look"),
        "gates_since": N_("These gates are known since"),
        "fixed": N_("Gates were fixed before the first look"),
        "yes": N_("yes"),
        "no": N_("no: they may have been chosen to fit"),
        "unknown": N_("not known, because nothing outlived the process"),
        "origin": N_("Origin"),
        "model": N_("Model"),
        "remarks": N_("How its files were read"),
        "not_recorded": N_("not recorded"),
        "split": N_("Split"),
        "labels_from": N_("Right answers from"),
        "items": N_("the items"),
        "file": N_("a file, for the items that changed"),
        "nowhere": N_("nowhere"),
        "command": N_("Made again by"),
        "seed": N_("Seed"),
        "threads": N_("Threads"),
        "versions": N_("Versions"),
        "machine": N_("Machine"),
        "target": N_("Meant to run on"),
        "not_said": N_("not said"),
        "made": N_("Made"),
        "decision": N_("Decision"),
        "reviewer": N_("Reviewer"),
        "approve": N_("approved"),
        "reject": N_("rejected"),
        "conditions": N_("approved with conditions"),
        "undecided_yet": N_("not decided yet"),
        "notes": N_("Notes"),
        "signature": N_("Signature"),
        "files": N_("Files of the model"),
        "file_name": N_("Name"),
        "bytes": N_("Bytes"),
        "covered": N_("Listed when it was signed"),
        "was_listed": N_("yes"),
        "was_not": N_("no"),
        "recipe": N_("Recipe"),
        "recipe_alone": N_("of the latest recipe alone"),
        "steps": N_("All that was done, in this order"),
        "measured": N_("measured"),
        "estimated": N_("estimated"),
        "exact": N_("exact"),
        "not_measured": N_("not measured"),
        "shown_of": N_("shown: {shown:,} of {all:,}; all are in the JSON"),
    }
)
VERDICTS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: N_("PASS"),
        Outcome.FAIL: N_("FAIL"),
        Outcome.UNDECIDED: N_("UNDECIDED"),
        Outcome.NOT_MEASURED: N_("NOT MEASURED"),
    }
)
MEANINGS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: N_("Every required gate holds over the whole interval."),
        Outcome.FAIL: N_("At least one required gate is violated over the whole interval."),
        Outcome.UNDECIDED: N_("Nothing fails, but these items are too few to tell whether all gates hold."),
        Outcome.NOT_MEASURED: N_(
            "Something that a required gate asks for was not measured: that is no pass."
        ),
    }
)
