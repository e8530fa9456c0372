"""From a plugin's name to its module, and from a plugin entity to a handler.

A plugin exists when its module does: the bundled ones are ``dbless_gateway.plugins.<name>``, any other is
found by ``foreign_plugins.py``. A handler's constructor may raise ``ConfigError``; this is the one place that
turns it into a problem.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Any

from dbless_gateway.config.entities import Plugin, Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.pdk.plugin import ConfigError, Host, PluginEnv
from dbless_gateway.snapshot.chains import Instance
from dbless_gateway.snapshot.foreign_plugins import find_foreign, line_in, told
from dbless_gateway.snapshot.loans import Loan
from dbless_gateway.snapshot.plugin_steps import forgiven, measured
from dbless_gateway.snapshot.plugin_timer import PluginTimer

_PACKAGE = "dbless_gateway.plugins"
# More often than that is a loop that should be a queue; beyond a week nobody would notice a mistake.
_MIN_PERIOD_S = 0.1
_MAX_PERIOD_S = 7 * 24 * 3600


def find_module(name: str) -> ModuleType | None:
    """Return the module of a plugin, or None when this version does not have it."""
    module_name = bundled_module(name)
    if module_name is None:
        return find_foreign(name)
    module = importlib.import_module(module_name)
    return module if getattr(module, "NAME", None) == name else None


def bundled_module(name: str) -> str | None:
    """Return the name of the module that a plugin would have in this package, if there is one."""
    if not name.replace("-", "").isalnum():
        return None
    module_name = f"{_PACKAGE}.{name.replace('-', '_')}"
    return module_name if importlib.util.find_spec(module_name) is not None else None


def is_bundled(name: str) -> bool:
    """Tell whether a plugin comes with this package."""
    module = find_module(name)
    return module is not None and module.__name__.startswith(f"{_PACKAGE}.")


def index_of(name: str) -> CredentialIndex[Any] | None:
    """Return what a plugin's module declares as the index that it looks into, if it does."""
    index = getattr(find_module(name), "INDEX", None)
    return index if isinstance(index, CredentialIndex) else None


def make_instance(
    plugin: Plugin, identities: Identities, host: Host, *, fails_open: bool = False
) -> Instance | Problem:
    """Return the running form of a plugin entity, or what is wrong with it."""
    module = find_module(plugin.name)
    if module is None:
        return plugin_problem(
            plugin,
            "plugin/not-run",
            f"plugin '{plugin.name}' is valid, but this version does not run it",
            "remove it, or set `enabled: false`",
        )
    loan = Loan(host, plugin.config)
    env = PluginEnv(
        plugin_id=plugin.id,
        instance_name=plugin.instance_name,
        service_id=plugin.service,
        route_id=plugin.route,
        consumer_id=plugin.consumer,
        identities=identities,
        host=loan,
        plugin_name=plugin.name,
    )
    try:
        handler: Any = module.Handler(build_config(module.Config, plugin.config), env)
    except ConfigError as error:
        field = f"config.{error.field}: " if error.field else "config: "
        return plugin_problem(plugin, "plugin/config", field + error.message, None)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        file = getattr(module, "__file__", None) or plugin.name
        message = f"its handler cannot be made: {told(error)} ({file}:{line_in(error, file)})"
        return plugin_problem(plugin, "plugin/code", message, None)
    return _instance(plugin, module, handler, env, loan, fails_open=fails_open)


def _instance(
    plugin: Plugin, module: ModuleType, handler: Any, env: PluginEnv, loan: Loan, *, fails_open: bool
) -> Instance | Problem:
    timer: PluginTimer | None = None
    if hasattr(handler, "on_timer"):
        period_s = getattr(handler, "timer_period_s", None)
        if not isinstance(period_s, int | float) or not _MIN_PERIOD_S <= period_s <= _MAX_PERIOD_S:
            message = f"a handler with on_timer needs timer_period_s, from {_MIN_PERIOD_S} to {_MAX_PERIOD_S}"
            return plugin_problem(plugin, "plugin/code", message, None)
        timer = PluginTimer(plugin.id, float(period_s), handler.on_timer, env.log)
    if fails_open:
        handler = forgiven(handler, env.log)
    if not module.__name__.startswith(f"{_PACKAGE}."):
        handler = measured(handler, plugin.name, env.host)
    return Instance(plugin, handler, module.PRIORITY, timer, loan)


def plugin_problem(plugin: Plugin, code: str, message: str, suggestion: str | None) -> Problem:
    """Return a problem at a plugin's place in the file."""
    return problem_at(plugin.where, code, f'plugin "{plugin.name}"', message, suggestion)


def problem_at(where: Where, code: str, entity: str, message: str, suggestion: str | None) -> Problem:
    """Return an error at the place of an entity."""
    return Problem(
        file=where.file,
        line=where.line,
        column=where.column,
        end_line=where.line,
        end_column=where.column + 1,
        severity="error",
        code=code,
        path="",
        entity=entity,
        message=message,
        suggestion=suggestion,
    )
