"""The values of the settings: flags win over the environment, which wins over the defaults.

Everything wrong is collected, not only the first mistake. A variable that looks like a setting and is none is a
warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbless_gateway.config.spelling import closest
from dbless_gateway.config.vaults import Unresolved
from dbless_gateway.server.inert_settings import asks_for_nothing, is_known_but_unsupported
from dbless_gateway.server.setting_references import SettingReferences
from dbless_gateway.server.setting_types import SettingError
from dbless_gateway.server.settings import BY_NAME, SETTINGS, VARIABLE_PREFIX


@dataclass(frozen=True, slots=True)
class Values:
    """The values of all settings, and what is to be said about them."""

    values: Mapping[str, Any]
    given: frozenset[str]  # names that a flag or a variable set
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    referenced: frozenset[str] = frozenset()  # names whose values came from a vault

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read_settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> Values:
    """Read every setting: ``flags`` by setting name, then the environment, then the defaults."""
    texts, warnings = _texts_of(environ)
    texts.update(flags)
    values: dict[str, Any] = {}
    errors: list[str] = []
    references = SettingReferences(environ)
    referenced: set[str] = set()
    for setting in SETTINGS:
        value_text = texts.get(setting.name, setting.default).strip()
        try:
            if references.has_any(value_text):
                referenced.add(setting.name)
                value_text = references.resolve(value_text)
            values[setting.name] = setting.read(setting.name, value_text)
        except Unresolved as error:
            errors.append(f"{setting.name}: {error}")
        except SettingError as error:
            is_secret = setting.name in referenced
            errors.append(references.without_secrets(str(error)) if is_secret else str(error))
    return Values(values, frozenset(texts), tuple(warnings), tuple(errors), frozenset(referenced))


def _texts_of(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    texts: dict[str, str] = {}
    warnings: list[str] = []
    for variable in sorted(environ):
        if not variable.startswith(VARIABLE_PREFIX) or variable == VARIABLE_PREFIX:
            continue
        name = variable.removeprefix(VARIABLE_PREFIX).lower()
        if name in BY_NAME:
            texts[name] = environ[variable]
        elif not asks_for_nothing(name, environ[variable].strip()):
            warnings.append(_warning(variable, name))
    return texts, warnings


def _warning(variable: str, name: str) -> str:
    if is_known_but_unsupported(name):
        return f"{variable} is not supported and has no effect"
    close = closest(name, BY_NAME, 0.8)
    hint = f"; did you mean {BY_NAME[close].variable}?" if close else ""
    return f"{variable} is not a known setting and has no effect{hint}"
