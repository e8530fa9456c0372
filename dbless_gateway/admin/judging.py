"""One entity of a request, judged as if it stood in a file: the same rules, the same words.

References are looked at for their form only; whether they lead somewhere is known when the whole
configuration is linked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dbless_gateway.admin.failures import plain, schema_violation
from dbless_gateway.config.drafts import Report
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.rules import Judge
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.config.tree import collect_drafts

_REQUIRED = "required field missing"
_BETWEEN_FIELDS = frozenset({"rule/one-of", "rule/exclusive", "rule/together", "rule/distinct"})
# How a conditional rule says which field made it apply.
_CONDITION = re.compile(r"`([\w.]+)` is .*", re.DOTALL)


def mistakes_of(collection: str, fields: Mapping[str, Any], flavor: str) -> list[tuple[str, str]]:
    """Return the path and the text of everything that is wrong with an entity."""
    schemas, report = load_schemas(), Report()
    # The judge points into a document, so one is made around the entity.
    try:
        document, _ = read_json(json.dumps({collection: [fields]}), "body")
    except Fatal as failure:
        # A number that is none, such as infinity.
        raise plain(400, failure.fault.message) from None
    judge = Judge(schemas, report, flavor)
    for draft in collect_drafts(document, schemas, report):
        judge.judge(draft)
    properties = schemas.entity(collection).record.properties
    errors = [problem for problem in report.problems if problem.severity == "error"]
    found = [mistake for problem in errors for mistake in kong_mistakes(problem)]
    for name in schemas.entity(collection).record.references:
        if properties[name].get("x-kong-required") and fields.get(name) is None:
            found.append((name, _REQUIRED))
    return list(dict.fromkeys(found))


def kong_mistakes(problem: Problem) -> list[tuple[str, str]]:
    """Return a problem as Kong tells it: a fault between fields is one of the entity."""
    if problem.code in _BETWEEN_FIELDS:
        return [("", problem.message)]
    field = problem.field or ""
    condition = _CONDITION.fullmatch(problem.suggestion or "")
    if condition is None:
        return [(field, problem.message)]
    text = f"failed conditional validation given value of field '{condition[1]}'"
    return [("", text), (field, problem.message)]


def check(collection: str, fields: Mapping[str, Any], flavor: str) -> None:
    """Raise Kong's schema violation when something is wrong."""
    mistakes = mistakes_of(collection, fields, flavor)
    if mistakes:
        raise schema_violation(mistakes)
