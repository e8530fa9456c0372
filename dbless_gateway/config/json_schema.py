"""JSON Schema, as far as the schemas of this gateway use it: does a value fit, and if not, what breaks what.

The schemas are plain JSON Schema 2020-12, which editors and other tools read as they are. The general
validators for it take longer to import than everything else that ``validate`` does to a small file, and they
know two hundred things that no schema of ours says. Rules of this file:

- A keyword that is not in here is refused when a schema is compiled, never passed over.
- Whether a keyword holds is written once; ``fits`` (most values do) and ``mistakes`` both ask that.
- Nothing is worded here; ``messages`` does. A test holds that the verdicts are those of ``jsonschema``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sized
from types import MappingProxyType, NoneType
from typing import Any, NamedTuple

from dbless_gateway.config.formats import FORMATS

Schema = dict[str, Any]
Test = Callable[[Any], bool]

# Say something to people and to later stages, and nothing about a value.
_ANNOTATIONS = frozenset({"$schema", "$id", "title", "description", "default", "examples", "deprecated"})
_SILENT = _ANNOTATIONS | {"properties"}
_EXTENSION = "x-kong-"

_CLASSES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": NoneType,
    }
)
# What ends a pattern is the very end of the text to JSON Schema, and not the place before a last line break.
_AT_END = re.compile(r"(?<!\\)\$(?=$|\))")


class Mistake(NamedTuple):
    """One keyword that does not hold; ``path`` leads from the value that was judged to the one that is wrong."""

    path: tuple[str | int, ...]
    keyword: str
    value: Any
    schema: Schema  # the one that has the keyword
    of_key: bool = False  # the value is the last key of the path and not what it holds

    @property
    def limit(self) -> Any:
        """What the schema says of the keyword."""
        return self.schema[self.keyword]


class CompiledSchema:
    """One schema, ready to judge values."""

    __slots__ = ("_all_of", "_else", "_fields", "_if", "_items", "_keys", "_others", "_tests", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._tests: dict[str, Test] = {}
        self._fields = _Fields(schema.get("properties", {}))
        self._others: CompiledSchema | None = None
        self._keys: CompiledSchema | None = None
        self._items: CompiledSchema | None = None
        self._all_of: tuple[CompiledSchema, ...] = ()
        self._if: CompiledSchema | None = None
        self._else: CompiledSchema | None = None
        for keyword in schema:
            if keyword not in _SILENT and not keyword.startswith(_EXTENSION):
                self._learn(keyword, schema[keyword])

    def _learn(self, keyword: str, value: Any) -> None:
        if keyword in _TESTS:
            self._tests[keyword] = _TESTS[keyword](value)
        elif keyword == "additionalProperties":
            known = frozenset(self.schema.get("properties", ()))
            if value is False:
                self._tests[keyword] = lambda given: not isinstance(given, dict) or given.keys() <= known
            else:
                self._others = _compiled(value)
        elif keyword == "propertyNames":
            self._keys = _compiled(value)
        elif keyword == "items":
            self._items = _compiled(value)
        elif keyword == "allOf":
            self._all_of = tuple(_compiled(item) for item in value)
        elif keyword == "not":
            self._tests[keyword] = _negated(_compiled(value))
        elif keyword == "if":
            self._if = _compiled(value)
        elif keyword == "else":
            self._else = _compiled(value)
        else:
            raise ValueError(f"the keyword {keyword} of JSON Schema is not used here")

    def fits(self, value: Any) -> bool:
        """Tell whether nothing is wrong with a value."""
        for holds in self._tests.values():
            if not holds(value):
                return False
        if isinstance(value, dict):
            if not self._fits_inside(value):
                return False
        elif self._items is not None and isinstance(value, list):
            fits = self._items.fits
            for item in value:
                if not fits(item):
                    return False
        return all(part.fits(value) for part in self._parts(value))

    def _fits_inside(self, value: dict[str, Any]) -> bool:
        fields, others, keys = self._fields, self._others, self._keys
        for name, item in value.items():
            schema = fields[name] or others
            if schema is not None and not schema.fits(item):
                return False
            if keys is not None and not keys.fits(name):
                return False
        return True

    def _parts(self, value: Any) -> tuple[CompiledSchema, ...]:
        """Return the schemas that the whole value must fit, too."""
        if self._if is None or self._else is None or self._if.fits(value):
            return self._all_of
        return (*self._all_of, self._else)

    def mistakes(self, value: Any) -> Iterator[Mistake]:
        """Yield everything that is wrong with a value, in the order of the schema's keywords."""
        for keyword in self.schema:
            if keyword in self._tests:
                if not self._tests[keyword](value):
                    yield Mistake((), keyword, value, self.schema)
            elif isinstance(value, dict):
                yield from self._mistakes_inside(keyword, value)
            elif keyword == "items" and self._items is not None and isinstance(value, list):
                for index, item in enumerate(value):
                    yield from _below(index, self._items.mistakes(item))
        for part in self._parts(value):
            yield from part.mistakes(value)

    def _mistakes_inside(self, keyword: str, value: dict[str, Any]) -> Iterator[Mistake]:
        if keyword == "properties":
            for name in self.schema[keyword]:
                schema = self._fields[name] if name in value else None
                if schema is not None:
                    yield from _below(name, schema.mistakes(value[name]))
        elif keyword == "additionalProperties" and self._others is not None:
            for name in value:
                if name not in self.schema.get("properties", ()):
                    yield from _below(name, self._others.mistakes(value[name]))
        elif keyword == "propertyNames" and self._keys is not None:
            for name in value:
                for mistake in self._keys.mistakes(name):
                    yield mistake._replace(path=(name,), of_key=True)


class _Fields(dict[str, CompiledSchema | None]):
    """The schemas of fields by name, compiled when a value has them: most fields are not in most files."""

    def __init__(self, schemas: Mapping[str, Schema | bool]) -> None:
        super().__init__()
        self._schemas = schemas

    def __missing__(self, name: str) -> CompiledSchema | None:
        schema = self._schemas.get(name)
        if schema is None:
            return None
        compiled = self[name] = _compiled(schema)
        return compiled


def _compiled(schema: Schema | bool) -> CompiledSchema:
    assert schema is not False, "only additionalProperties forbids everything"
    return CompiledSchema({} if schema is True else schema)


def _below(step: str | int, mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    for mistake in mistakes:
        yield mistake._replace(path=(step, *mistake.path))


def _negated(schema: CompiledSchema) -> Test:
    return lambda value: not schema.fits(value)


# One function per keyword, from what the schema says to what a value is asked.


def _type(kinds: str | list[str]) -> Test:
    names = [kinds] if isinstance(kinds, str) else kinds
    classes = tuple(_CLASSES[name] for name in names)
    takes_truth = "boolean" in names
    takes_whole = "integer" in names

    def holds(value: Any) -> bool:
        if isinstance(value, classes):
            # A bool is an int to Python only.
            return takes_truth or value.__class__ is not bool
        return takes_whole and isinstance(value, float) and value.is_integer()

    return holds


def _enum(choices: list[Any]) -> Test:
    # 1 equals True to Python only.
    keys = [(choice.__class__ is bool, choice) for choice in choices]
    return lambda value: (value.__class__ is bool, value) in keys


def _const(choice: Any) -> Test:
    return _enum([choice])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and value.__class__ is not bool


def _minimum(limit: float) -> Test:
    return lambda value: not (_is_number(value) and value < limit)


def _maximum(limit: float) -> Test:
    return lambda value: not (_is_number(value) and value > limit)


def _exclusive_minimum(limit: float) -> Test:
    return lambda value: not (_is_number(value) and value <= limit)


def _at_least(kind: type[Sized]) -> Callable[[int], Test]:
    return lambda limit: lambda value: not isinstance(value, kind) or len(value) >= limit


def _at_most(kind: type[Sized]) -> Callable[[int], Test]:
    return lambda limit: lambda value: not isinstance(value, kind) or len(value) <= limit


def _pattern(pattern: str) -> Test:
    text = _AT_END.sub(r"\\Z", pattern)
    # Compiled when the first value comes: most fields with a pattern are not in most files.
    return lambda value: not isinstance(value, str) or re.search(text, value) is not None


def _format(name: str) -> Test:
    fault = FORMATS[name]
    return lambda value: not isinstance(value, str) or fault(value) is None


def _required(names: list[str]) -> Test:
    wanted = frozenset(names)
    return lambda value: not isinstance(value, dict) or wanted <= value.keys()


_TESTS: Mapping[str, Callable[[Any], Test]] = MappingProxyType(
    {
        "type": _type,
        "enum": _enum,
        "const": _const,
        "minimum": _minimum,
        "maximum": _maximum,
        "exclusiveMinimum": _exclusive_minimum,
        "minLength": _at_least(str),
        "maxLength": _at_most(str),
        "minItems": _at_least(list),
        "maxItems": _at_most(list),
        "minProperties": _at_least(dict),
        "maxProperties": _at_most(dict),
        "pattern": _pattern,
        "format": _format,
        "required": _required,
    }
)
