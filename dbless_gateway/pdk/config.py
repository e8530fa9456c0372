"""From a checked ``config`` table to the frozen dataclass that a plugin declares.

The schema has judged types, ranges and unknown fields and has filled in defaults before; nothing is judged
here. An absent field becomes None, ``-`` in a field's name becomes ``_`` (``X-Cache-Status``:
``X_Cache_Status``), lists become tuples, a record that is absent although its type does not allow None is
made of absent fields.
"""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

C = TypeVar("C")


def build_config(config_type: type[C], values: dict[str, Any]) -> C:
    """Return an instance of ``config_type`` with these values, nested dataclasses included."""
    # mypy does not see that a class can be hashed.
    hashable: Any = config_type
    given = {name.replace("-", "_"): value for name, value in values.items()}
    return config_type(**{name: _convert(hint, given.get(name)) for name, hint in _hints(hashable)})


@lru_cache(maxsize=256)
def _hints(config_type: type) -> tuple[tuple[str, Any], ...]:
    """Return fields and types; working them out costs more than all else, for each use of a plugin."""
    return tuple(get_type_hints(config_type).items())


def _convert(hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return None if value is None else _convert(_without_none(hint), value)
    # As ``dataclasses.is_dataclass`` knows it, which costs an import.
    if isinstance(hint, type) and "__dataclass_fields__" in hint.__dict__:
        return build_config(hint, value or {})
    if value is None:
        return None
    if get_origin(hint) is tuple:
        element = get_args(hint)[0]
        return tuple(_convert(element, item) for item in value)
    if get_origin(hint) is dict:
        element = get_args(hint)[1]
        return {key: _convert(element, item) for key, item in value.items()}
    # JSON knows no integers: 5.0 is one where the schema asks for one.
    return int(value) if hint is int else value


def _without_none(hint: Any) -> Any:
    options = [option for option in get_args(hint) if option is not type(None)]
    return options[0] if len(options) == 1 else Any
