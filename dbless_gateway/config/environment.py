"""Environment variables in parsed scalars: decK's ``${{ env "DECK_X" }}`` and the opt-in ``${X}``.

Substitution sees values, never the text of the file, so that a quote or a line break in a secret cannot
change its structure. What a plain scalar becomes is read again by YAML's rules, as if it had been typed
there; a quoted one stays text. Messages name variables and never show their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from dbless_gateway.config.faults import Fatal, Fault
from dbless_gateway.config.scalars import resolve

Substitute = Callable[[str, bool], Any]

_DECK = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_PIPELINE = re.compile(r"\s*env\s+(?:\"([^\"]*)\"|`([^`]*)`)\s*((?:\|\s*\w+(?:\s+\d+)?\s*)*)")
_FUNCTION = re.compile(r"\|\s*(\w+)(?:\s+(\d+))?")
_SHELL = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\}")
_PREFIX = "DECK_"
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)
# What decK puts in place of a value when the real ones are not needed.
_MOCK_NUMBER = 42
_MAX_DIGITS = 24


def substitution(environ: Mapping[str, str], *, expand: bool, mock: bool) -> Substitute:
    """Return the function that gives a scalar its value; ``expand`` turns on ``${X}``."""
    environment = _Environment(environ, expand=expand, mock=mock)
    return environment.substitute


class _Environment:
    def __init__(self, environ: Mapping[str, str], *, expand: bool, mock: bool) -> None:
        self._environ = environ
        self._expand = expand
        self._mock = mock

    def substitute(self, text: str, plain: bool) -> Any:
        """Return the value of a scalar; the same object when there is nothing to substitute."""
        whole = _DECK.fullmatch(text)
        if whole is not None and "}}" not in whole.group(1):
            value = self._deck(whole.group(1))
            if not isinstance(value, str):
                return value if plain else _as_text(value)
            return resolve(value) if plain else value
        changed = _DECK.sub(lambda match: _as_text(self._deck(match.group(1))), text)
        if self._expand:
            changed = _SHELL.sub(self._shell, changed)
        if changed == text:
            return text
        return resolve(changed) if plain else changed

    def _deck(self, expression: str) -> Any:
        match = _PIPELINE.fullmatch(expression)
        if match is None:
            raise _fatal("env/expression", f"cannot understand the expression `{expression.strip()}`")
        name = match.group(1) if match.group(1) is not None else match.group(2)
        if not name.startswith(_PREFIX):
            message = (
                f"environment variables in the state file must be prefixed with 'DECK_', found: '{name}'"
            )
            raise _fatal("env/prefix", message)
        value: Any = self._lookup(name, f"environment variable '{name}' present in state file but not set")
        for function, argument in _FUNCTION.findall(match.group(3)):
            value = self._apply(function, argument, value, name)
        return value

    def _lookup(self, name: str, unset: str) -> str:
        if self._mock:
            return name
        value = self._environ.get(name)
        if value is None:
            raise _fatal("env/unset", unset)
        return value

    def _apply(self, function: str, argument: str, value: Any, name: str) -> Any:
        if function == "indent":
            return _as_text(value).replace("\n", "\n" + " " * min(int(argument or 0), 1000))
        if function not in {"toBool", "toInt", "toFloat"}:
            raise _fatal(
                "env/expression", f"unknown function `{function}`; there are toBool, toInt, toFloat, indent"
            )
        if self._mock:
            return False if function == "toBool" else _MOCK_NUMBER
        try:
            return _convert(function, _as_text(value))
        except (ValueError, KeyError):
            kind = {"toBool": "a boolean", "toInt": "an integer", "toFloat": "a number"}[function]
            raise _fatal("env/value", f"the value of environment variable '{name}' is not {kind}") from None

    def _shell(self, match: re.Match[str]) -> str:
        name, operator, argument = match.groups()
        if name is None:
            # ``$${`` is how a literal ``${`` is written.
            return "${"
        if operator == ":-":
            return self._environ.get(name) or argument
        unset = f"environment variable '{name}' is not set"
        if operator == ":?" and not self._mock and not self._environ.get(name):
            raise _fatal("env/unset", f"{unset}: {argument}" if argument else unset)
        return self._lookup(name, unset)


def _convert(function: str, value: str) -> bool | int | float:
    if function == "toBool":
        return _BOOLEANS[value]
    if function == "toInt":
        # Longer ones fit no field, and Python refuses to convert very long ones.
        return int(value if len(value) < _MAX_DIGITS else "")
    number = float(value)
    if not isfinite(number):
        raise ValueError(value)
    return number


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _fatal(code: str, message: str) -> Fatal:
    return Fatal(Fault(code, 0, 0, message))
