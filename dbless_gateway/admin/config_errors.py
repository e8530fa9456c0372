"""What is wrong with a configuration, as ``POST /config`` tells it: a tree, its dump, or a flat list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dbless_gateway.admin.catalog import is_uuid
from dbless_gateway.admin.failures import error_tree
from dbless_gateway.admin.judging import kong_mistakes
from dbless_gateway.config.document import plain
from dbless_gateway.config.drafts import Draft, Report, render_path
from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.parse import parse
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.config.source import Text
from dbless_gateway.config.tree import collect_drafts

NAME = "invalid declarative configuration"
_STEP = re.compile(r"[^.\[\]]+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_SYNTAX = "failed parsing declarative configuration: "


def document(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the body of the answer."""
    return _body(_tree(problems))


def flat_document(problems: Sequence[Problem], text: str) -> dict[str, Any]:
    """Return the body with the mistakes of each entity by themselves."""
    by_path = {render_path(draft.path()): draft for draft in _drafts(text)}
    mistakes: dict[str, list[Problem]] = {}
    left: list[Problem] = []
    for problem in problems:
        owner = _owner(problem, by_path)
        if owner is None:
            left.append(problem)
        else:
            mistakes.setdefault(owner, []).append(problem)
    # Kong walks everything from the end to the beginning, children before their parents.
    order = sorted(mistakes, key=lambda path: _comparable(by_path[path]), reverse=True)
    items = [_flat(by_path[path], mistakes[path]) for path in order]
    return _body(_tree(left)) | {"flattened_errors": items or {}}


def _body(fields: dict[str, Any]) -> dict[str, Any]:
    message = f"declarative config is invalid: {lua_dump(fields)}"
    return {"code": 14, "name": NAME, "message": message, "fields": fields}


def _tree(problems: Sequence[Problem]) -> dict[str, Any]:
    mistakes: list[tuple[str, str]] = []
    for problem in problems:
        path = _kong_path(problem.path)
        if not path:
            return {"error": _SYNTAX + problem.message.removeprefix(_SYNTAX)}
        entity = path.removesuffix(f".{problem.field}") if problem.field else path
        if problem.code.startswith("unique/"):
            mistakes.append((entity, problem.message))
            continue
        for field, text in kong_mistakes(problem):
            mistakes.append((f"{entity}.{field or '@entity'}", text))
    return error_tree(mistakes)


def _kong_path(path: str) -> str:
    """Return ``services[0].host`` as ``services.1.host``."""
    out: list[str] = []
    for part in path.replace("[", ".[").split("."):
        step = part.strip("[]")
        out.append(str(int(step) + 1) if part.startswith("[") and step.isdigit() else step)
    return ".".join(step for step in out if step)


def lua_dump(value: Any) -> str:
    """Return a tree as Kong's messages write it."""
    if isinstance(value, Mapping):
        pairs = sorted(value.items())
        return "{" + ",".join(f"{_lua_key(key)}={lua_dump(item)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        is_sparse = None in value
        items = [(number, item) for number, item in enumerate(value, start=1) if item is not None]
        return (
            "{"
            + ",".join(
                f"[{number}]={lua_dump(item)}" if is_sparse else lua_dump(item) for number, item in items
            )
            + "}"
        )
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _lua_key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else f'["{key}"]'


# One item for each entity.


def _drafts(text: str) -> list[Draft]:
    unheard = Report()
    parsed = parse(Text("config", text, "any"), LoadOptions(mock_env=True), unheard)
    return list(collect_drafts(parsed, load_schemas(), unheard)) if parsed and parsed.is_mapping() else []


def _owner(problem: Problem, by_path: Mapping[str, Draft]) -> str | None:
    """Return the path of the innermost entity that a problem is in."""
    path = problem.path
    while path:
        if path in by_path:
            return path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None


def _comparable(draft: Draft) -> tuple[tuple[int, str], ...]:
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in draft.path())


def _flat(draft: Draft, problems: Sequence[Problem]) -> dict[str, Any]:
    fields = plain(draft.fields)
    item: dict[str, Any] = {"entity_type": _singular(draft.collection)}
    if isinstance(fields.get("id"), str) and is_uuid(fields["id"]):
        item["entity_id"] = fields["id"]
    if isinstance(fields.get("name"), str) and fields["name"]:
        item["entity_name"] = fields["name"]
    tags = fields.get("tags")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        item["entity_tags"] = tags
    parent = draft.parent
    if parent is not None and draft.parent_field and isinstance(parent.fields.get("id"), str):
        fields[draft.parent_field] = {"id": parent.fields["id"]}
    errors: list[dict[str, str]] = []
    for problem in problems:
        whole = problem.code.startswith("unique/")
        for field, text in [("", problem.message)] if whole else kong_mistakes(problem):
            errors.append(
                {"type": "field", "field": field, "message": text}
                if field
                else {"type": "entity", "message": text}
            )
    # Fields from the last name to the first, then what concerns the whole entity.
    errors.sort(key=lambda error: error.get("field", ""), reverse=True)
    return item | {"entity": fields, "errors": errors}


def _singular(collection: str) -> str:
    return collection.removesuffix("s")
