"""Small changes of a document: a field put, a field or an element dropped, an element added.

Steps are values and name their place by path, all in the document as it was before the first of them. Here
they are applied to plain data; ``edit_splice`` applies them to the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbless_gateway.config.drafts import Path


@dataclass(frozen=True, slots=True)
class Put:
    """Give the mapping at ``path`` a field, or another value for it."""

    path: Path
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Drop:
    """Take the field or the element at ``path`` away."""

    path: Path


@dataclass(frozen=True, slots=True)
class Add:
    """Put an element behind the others of the list called ``key`` in the mapping at ``path``."""

    path: Path
    key: str
    value: Any


Step = Put | Drop | Add


def at(data: Any, path: Path) -> Any:
    """Return what is at a path."""
    for step in path:
        data = data[step]
    return data


def simplified(data: Any, steps: Sequence[Step]) -> list[Step]:
    """Return steps that leave no empty list behind, and begin one where there is none."""
    dropped: dict[Path, set[int]] = {}
    for step in steps:
        if isinstance(step, Drop) and isinstance(step.path[-1], int):
            dropped.setdefault(step.path[:-1], set()).add(step.path[-1])
    emptied = {path for path, indexes in dropped.items() if len(indexes) == len(at(data, path))}
    kept = [step for step in steps if not (isinstance(step, Drop) and step.path[:-1] in emptied)]
    filled = [_begun(data, step) if isinstance(step, Add) else step for step in kept]
    refilled = {(*step.path, step.key) for step in filled if isinstance(step, Put)}
    return [*filled, *(Drop(path) for path in sorted(emptied - refilled, key=str))]


def _begun(data: Any, step: Add) -> Step:
    return step if at(data, step.path).get(step.key) else Put(step.path, step.key, [step.value])


def apply(data: Any, steps: Sequence[Step]) -> None:
    """Change plain data in place; the steps are simplified ones."""
    # Places are looked up before the first change moves anything.
    placed = [(at(data, step.path[:-1] if isinstance(step, Drop) else step.path), step) for step in steps]
    lists: dict[int, tuple[list[Any], set[int]]] = {}
    for container, step in placed:
        if isinstance(step, Put):
            container[step.key] = step.value
        elif isinstance(step, Add):
            container[step.key].append(step.value)
        elif isinstance(container, list):
            index = step.path[-1]
            assert isinstance(index, int)
            lists.setdefault(id(container), (container, set()))[1].add(index)
        else:
            del container[step.path[-1]]
    for items, indexes in lists.values():
        for index in sorted(indexes, reverse=True):
            del items[index]
