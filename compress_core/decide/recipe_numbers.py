"""Numbers of recipes that a search really ran: kept at once, so that nobody runs one of them twice.

Each is a row of the workspace as well, which other machines can send (`ScanPoints.of_model`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from compress_core.apply.model import Model
from compress_core.decide.search_plan import Objective
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store, digest
from compress_core.foundation.workspace.scan_points import NUMBERS, searched_on
from compress_core.measure.behavior.evaluate import evaluate, predict
from compress_core.measure.behavior.metric import numbers
from compress_core.measure.cost.cost import network_macs

EVALUATED = "searched recipe"


def numbers_of_run(model: Model, parent: Model, store: Store) -> Mapping[Objective, Number]:
    """A model's numbers against its parent on all validation items."""
    split = parent.subject.split("validation")
    key = digest(EVALUATED, model.key, parent.key, split.digest, model.subject.name)
    found = store.lasting(EVALUATED, key, partial(_sent_or_measured, lasting_key(key), model, parent, store))
    said = json.loads(found)
    return {objective: number_from_json(said[objective.value]) for objective in Objective}


def _sent_or_measured(row_key: str, model: Model, parent: Model, store: Store) -> str:
    """The numbers as JSON, which keeps texts that can be translated; from a row where there is one."""
    if store.workspace is None:
        return json.dumps(_measured(model, parent, store))
    rows, under = store.workspace.scans, searched_on(parent.key)
    row = rows.find(row_key, under)
    if row is None:
        row = {NUMBERS: _measured(model, parent, store)}
        with suppress(Refused):  # a full disk is no reason to stop: it is measured again
            rows.keep(row_key, under, row)
    return json.dumps(row[NUMBERS])


def _measured(model: Model, parent: Model, store: Store) -> dict[str, object]:
    split = parent.subject.split("validation")
    evaluate(model, split, store)
    against = numbers(predict(model, split, store), predict(parent, split, store))
    found = {
        Objective.ACCURACY: against["accuracy_change"],
        Objective.KL: against["kl"],
        Objective.PACKED_BYTES: packed_size(model, store),
        Objective.MACS: network_macs(model, store),
    }
    return {objective.value: number_as_json(number) for objective, number in found.items()}
