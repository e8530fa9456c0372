"""Answers that say why something is not possible, in Kong's shapes, codes and words.

A failure is an exception inside ``admin/`` only: a view raises it where it finds out, and ``api.py`` is the
one place where it becomes an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from dbless_gateway.admin.messages import AdminAnswer, json_answer, message_answer

_STATUSES = {
    "invalid primary key": (1, 400),
    "schema violation": (2, 400),
    "foreign key violation": (4, 400),
    "unique constraint violation": (5, 409),
    "not found": (6, 404),
    "invalid offset": (7, 400),
    "invalid size": (9, 400),
    "invalid options": (11, 400),
    "operation unsupported": (12, 405),
    "foreign keys unresolved": (13, 400),
    "invalid declarative configuration": (14, 400),
}

# From the field's path as Kong writes it ("config.minute", "tags.2"; empty for the whole) to the message.
Mistakes = Sequence[tuple[str, str]]


class Failure(Exception):
    """What stops a view."""

    def __init__(self, answer: AdminAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def plain(status: int, message: str) -> Failure:
    """Make a failure that only has a message."""
    return Failure(message_answer(status, message))


def not_found() -> Failure:
    """Make the failure of a path that leads nowhere."""
    return plain(404, "Not found")


def named(name: str, message: str, **more: Any) -> Failure:
    """Make one of Kong's numbered failures."""
    code, status = _STATUSES[name]
    return Failure(json_answer(status, {"code": code, "name": name, "message": message, **more}))


def schema_violation(mistakes: Mistakes) -> Failure:
    """Make the failure of an entity that is wrong in itself."""
    ordered = sorted(mistakes, key=lambda mistake: mistake[0])
    texts = [f"{path}: {text}" if path else text for path, text in ordered]
    count = f"{len(texts)} schema violations" if len(texts) > 1 else "schema violation"
    message = f"{count} ({'; '.join(texts)})"
    return named("schema violation", message, fields=error_tree(ordered))


def error_tree(mistakes: Mistakes) -> dict[str, Any]:
    """Return mistakes as a tree like the input: lists with null where nothing is wrong."""
    root: dict[str, Any] = {}
    for path, text in mistakes:
        steps = path.split(".") if path else []
        _put(root, steps, text)
    return root


def _put(node: Any, steps: list[str], text: str) -> None:
    *steps, last = steps or ["@entity"]
    for step, following in pairwise([*steps, last]):
        node = _child(node, step, [] if following.isdigit() else {})
        if not isinstance(node, dict | list):
            return  # The whole part is wrong already, which says more.
    if last == "@entity":
        node = _child(node, last, [])
        if isinstance(node, list):
            node.append(text)
    else:
        _child(node, last, text)


def _child(node: Any, step: str, fresh: Any) -> Any:
    """Return the child at a step, which counts from 1 in a list; make it when it is missing."""
    if isinstance(node, dict):
        return node.setdefault(step, fresh)
    index = int(step) - 1 if step.isdigit() else 0
    node.extend([None] * (index + 1 - len(node)))
    if node[index] is None:
        node[index] = fresh
    return node[index]


def lua_key(fields: Mapping[str, Any]) -> str:
    """Return a primary or unique key as Kong prints it: ``{name="x"}``."""
    return "{" + ",".join(f"{name}={_lua(value)}" for name, value in sorted(fields.items())) + "}"


def _lua(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return lua_key(value)
    if isinstance(value, bool | int | float):
        return str(value).lower()
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
