"""Expressions in Kong's templates: the subset of Lua that transformations are written in, without a Lua.

Tables (``a.b``, ``a['b']``, ``a[1]``), literals, arithmetic, ``..``, comparison, ``and``, ``or``, ``not``,
calls of the functions listed in ``FUNCTIONS``. An expression is compiled once into nested closures, and
evaluating it changes nothing and always ends: there are no loops, no assignments and no definitions. Rules
of the file:

1. Numbers are what Lua's are: ``10 * "2"`` is 20, and ``20.0`` is written ``20``.
2. Indexing nil, calling what is no function and the like raise ``ExpressionError``, as in Lua.
3. A table is anything with ``get``; a list counts from 1.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Evaluate = Callable[[Scope], Any]

# Nesting is the only thing in an expression that costs stack; nobody writes this much by hand.
MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<sign>\.\.|==|~=|<=|>=|[-+*/%^#<>().\[\],:])
    )""",
    re.VERBOSE,
)
_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_KEYWORDS = {"nil": None, "true": True, "false": False}


class ExpressionError(Exception):
    """An expression cannot be compiled or evaluated; the text says why."""


def compile_expression(text: str) -> Evaluate:
    """Return a function that evaluates the expression in a scope."""
    return _Parser(text).whole()


def to_text(value: Any) -> str:
    """Return what ``tostring`` gives."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.14g}"
    return value if isinstance(value, str) else _type_of(value)


def _type_of(value: Any = None) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "function" if callable(value) else "table"


def _to_number(value: Any, base: Any = None) -> float | None:
    try:
        if base is not None:
            return float(int(str(value).strip(), int(base)))
        if isinstance(value, str):
            text = value.strip()
            return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except ValueError:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: Any) -> float:
    number = _to_number(value)
    if number is None:
        raise ExpressionError(f"attempt to perform arithmetic on a {_type_of(value)} value")
    return number


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return to_text(value)
    raise ExpressionError(f"string expected, got {_type_of(value)}")


def _sub(text: Any, first: Any, last: Any = -1) -> str:
    whole = _string(text)
    start, end = int(_number(first)), int(_number(last))
    start = max(len(whole) + start, 0) if start < 0 else max(start - 1, 0)
    end = len(whole) + end + 1 if end < 0 else end
    return whole[start : max(end, 0)]


def _concat(values: Any, separator: Any = "") -> str:
    if not isinstance(values, list | tuple):
        raise ExpressionError(f"table expected, got {_type_of(values)}")
    return _string(separator).join(_string(value) for value in values)


FUNCTIONS: dict[str, Any] = {
    "type": _type_of,
    "tostring": lambda value=None: to_text(value),
    "tonumber": _to_number,
    "string": {
        "lower": lambda text=None: _string(text).lower(),
        "upper": lambda text=None: _string(text).upper(),
        "len": lambda text=None: len(_string(text)),
        "reverse": lambda text=None: _string(text)[::-1],
        "sub": _sub,
    },
    "math": {
        "abs": lambda value=None: abs(_number(value)),
        "ceil": lambda value=None: math.ceil(_number(value)),
        "floor": lambda value=None: math.floor(_number(value)),
        "max": lambda *values: max(_number(value) for value in values),
        "min": lambda *values: min(_number(value) for value in values),
    },
    "table": {"concat": _concat},
}


def _is_true(value: Any) -> bool:
    return value is not None and value is not False


def _index(container: Any, key: Any) -> Any:
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if isinstance(container, list | tuple):
        is_place = isinstance(key, int) and 1 <= key <= len(container)
        return container[key - 1] if is_place else None
    if container is None or isinstance(container, str | int | float) or callable(container):
        raise ExpressionError(f"attempt to index a {_type_of(container)} value")
    return container.get(key)


def _compare(action: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if _type_of(left) != _type_of(right) or _type_of(left) not in ("number", "string"):
            raise ExpressionError(f"attempt to compare {_type_of(left)} with {_type_of(right)}")
        return action(left, right)

    return compare


def _equal(left: Any, right: Any) -> bool:
    return _type_of(left) == _type_of(right) and bool(left == right)


def _arithmetic(action: Callable[[float, float], float]) -> Callable[[Any, Any], float]:
    return lambda left, right: action(_number(left), _number(right))


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if left == 0 else math.copysign(math.inf, left)


def _modulo(left: float, right: float) -> float:
    return left % right if right else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except (OverflowError, ValueError):
        return math.inf


# Operator -> how tightly it binds to the left and to the right, and what it does.
_BINARY: dict[str, tuple[int, int, Callable[[Any, Any], Any]]] = {
    "<": (3, 4, _compare(operator.lt)),
    ">": (3, 4, _compare(operator.gt)),
    "<=": (3, 4, _compare(operator.le)),
    ">=": (3, 4, _compare(operator.ge)),
    "==": (3, 4, _equal),
    "~=": (3, 4, lambda left, right: not _equal(left, right)),
    "..": (6, 5, lambda left, right: _string(left) + _string(right)),
    "+": (7, 8, _arithmetic(operator.add)),
    "-": (7, 8, _arithmetic(operator.sub)),
    "*": (9, 10, _arithmetic(operator.mul)),
    "/": (9, 10, _arithmetic(_divide)),
    "%": (9, 10, _arithmetic(_modulo)),
    "^": (14, 13, _arithmetic(_power)),
}
_SHORT_CIRCUIT = {"or": (1, 2), "and": (2, 3)}
_UNARY_BINDING = 11
_UNARY: dict[str, Callable[[Any], Any]] = {
    "not": lambda value: not _is_true(value),
    "-": lambda value: -_number(value),
    "#": lambda value: len(value) if isinstance(value, list | tuple) else len(_string(value)),
}


class _Parser:
    """Precedence climbing over a list of tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokenize(text))
        self._place = 0
        self._depth = 0

    def whole(self) -> Evaluate:
        evaluate = self._expression(0)
        if self._peek() is not None:
            raise ExpressionError(f"unexpected '{self._peek()}'")
        return evaluate

    def _peek(self) -> str | None:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else None

    def _take(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise ExpressionError("unexpected end")
        self._place += 1
        return self._tokens[self._place - 1]

    def _expect(self, sign: str) -> None:
        token = self._take()[1]
        if token != sign:
            raise ExpressionError(f"'{sign}' expected near '{token}'")

    def _expression(self, least: int) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("expression is nested too deeply")
        left = self._unary()
        while (sign := self._peek()) is not None:
            if sign in _SHORT_CIRCUIT and _SHORT_CIRCUIT[sign][0] > least:
                self._take()
                left = _short_circuit(sign, left, self._expression(_SHORT_CIRCUIT[sign][0]))
            elif sign in _BINARY and _BINARY[sign][0] > least:
                self._take()
                left = _binary(_BINARY[sign][2], left, self._expression(_BINARY[sign][1] - 1))
            else:
                break
        self._depth -= 1
        return left

    def _unary(self) -> Evaluate:
        sign = self._peek()
        if sign in _UNARY and self._tokens[self._place][0] != "text":
            self._take()
            action, operand = _UNARY[sign], self._expression(_UNARY_BINDING)
            return lambda scope: action(operand(scope))
        return self._suffixed()

    def _suffixed(self) -> Evaluate:
        value = self._primary()
        while (sign := self._peek()) in (".", "[", "("):
            self._take()
            if sign == ".":
                kind, name = self._take()
                if kind != "name":
                    raise ExpressionError(f"name expected near '{name}'")
                value = _indexing(value, _constant(name))
            elif sign == "[":
                key = self._expression(0)
                self._expect("]")
                value = _indexing(value, key)
            else:
                value = _calling(value, self._arguments())
        return value

    def _arguments(self) -> list[Evaluate]:
        arguments: list[Evaluate] = []
        if self._peek() == ")":
            self._take()
            return arguments
        while True:
            arguments.append(self._expression(0))
            sign = self._take()[1]
            if sign == ")":
                return arguments
            if sign != ",":
                raise ExpressionError(f"')' expected near '{sign}'")

    def _primary(self) -> Evaluate:
        kind, token = self._take()
        if kind == "number":
            return _constant(float(int(token, 16)) if token[:2].lower() == "0x" else float(token))
        if kind == "text":
            return _constant(_BACKSLASH.sub(lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1]))
        if kind == "name" and token in _KEYWORDS:
            return _constant(_KEYWORDS[token])
        if kind == "name" and token not in _SHORT_CIRCUIT:
            return lambda scope: scope.get(token)
        if token == "(":
            value = self._expression(0)
            self._expect(")")
            return value
        raise ExpressionError(f"unexpected '{token}'")


def _tokenize(text: str) -> list[tuple[str, str]]:
    tokens = []
    place = 0
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"unexpected symbol near '{text[place : place + 10].strip()}'")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        place = found.end()
    return tokens


def _constant(value: Any) -> Evaluate:
    return lambda scope: value


def _short_circuit(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign == "or":
        return lambda scope: value if _is_true(value := left(scope)) else right(scope)
    return lambda scope: right(scope) if _is_true(value := left(scope)) else value


def _binary(action: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: action(left(scope), right(scope))


def _indexing(container: Evaluate, key: Evaluate) -> Evaluate:
    return lambda scope: _index(container(scope), key(scope))


def _calling(function: Evaluate, arguments: list[Evaluate]) -> Evaluate:
    def call(scope: Scope) -> Any:
        called = function(scope)
        if not callable(called):
            raise ExpressionError(f"attempt to call a {_type_of(called)} value")
        try:
            return called(*(argument(scope) for argument in arguments))
        except TypeError:
            raise ExpressionError("bad number of arguments") from None

    return call
