"""Plugins that do not come with this package: files in a folder, and installed packages.

A file ``my_plugin.py`` in a folder of the settings is the plugin ``my-plugin``; an installed package names
its modules as entry points of the group ``dbless_gateway.plugins``. Both are modules as ``pdk/plugin.py``
tells.
Rules of the file:

1. Files are read once for each configuration, in the process that checks it; the text travels with the
   configuration (``Entities.plugin_code``), so every process runs what was checked.
2. Code runs anew when its text has changed, and only then. Modules are kept where Python keeps modules, in
   ``sys.modules``; handlers of an older text keep theirs alive.
3. Packages are looked for only when a name is asked that nobody else knows: listing them costs milliseconds.
4. Nothing that a plugin raises gets out: it becomes a ``PluginFault`` or a problem, with its place.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from dbless_gateway.config.entities import PluginCode
from dbless_gateway.config.load import BroughtPlugins
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass
from dbless_gateway.config.schemas import Schema, load_schemas

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "dbless_gateway.plugins"

_BUNDLED = "dbless_gateway.plugins"
_MODULE_PREFIX = "dbless_gateway_plugins."
_TEXT = "__plugin_text__"
_PHASES = ("rewrite", "access", "response", "header_filter", "body_filter", "log", "on_timer")
_NEVER_WAITING = ("header_filter", "body_filter", "log")
_STREAMING = ("header_filter", "body_filter")
_HTTP_PROTOCOLS = ["grpc", "grpcs", "http", "https"]
_SCOPES = ["service", "route", "consumer"]
# A plugin is a page of code; a file of megabytes was put there by mistake, and travels to every worker.
_MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Where plugins come from, and which may be used."""

    folders: tuple[str, ...] = ()
    enabled: frozenset[str] | None = None  # None: all that are found; "bundled" stands for the package's own


NO_PLUGINS = PluginSettings()


class PluginFault(Exception):
    """A plugin cannot be loaded; the message is for its author."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def plugin_name(module_name: str) -> str:
    """Return the name in kong.yaml of the plugin in a file of that name."""
    return module_name.replace("_", "-")


def is_bundled(name: str) -> bool:
    """Tell whether a plugin of that name comes with this package."""
    return find_spec(f"{_BUNDLED}.{name.replace('-', '_')}") is not None


def is_plugin_file(path: Path) -> bool:
    """Tell whether a file in a plugin folder is a plugin: tests and private files may stand beside it."""
    stem = path.stem
    is_other = stem.startswith(("_", "test_")) or stem == "conftest"
    return path.suffix == ".py" and stem.isidentifier() and not is_other


def prepare(settings: PluginSettings) -> BroughtPlugins:
    """Make this process ready for a configuration with plugins from elsewhere."""
    brought = bring_in(settings.folders, settings.enabled)
    broken = {plugin_name(Path(p.file).stem): f"{p.file}:{p.line}: {p.message}" for p in brought.problems}
    load_schemas().extend(ForeignPlugins(broken), settings.enabled)
    return brought


def bring_in(folders: Iterable[str], enabled: Collection[str] | None = None) -> BroughtPlugins:
    """Read and run the enabled plugins of these folders; every one that is wrong is a problem."""
    found: dict[str, PluginCode] = {}
    problems: list[Problem] = []
    for folder in folders:
        for path in _files(folder, problems):
            if enabled is not None and plugin_name(path.stem) not in enabled:
                continue
            try:
                code = _read(path, found)
            except PluginFault as fault:
                problems.append(_problem(str(path), fault))
            else:
                found[code.name] = code
    problems += [problem for code in found.values() if (problem := run_checked(code)) is not None]
    return BroughtPlugins(tuple(found.values()), tuple(problems))


def run_checked(code: PluginCode) -> Problem | None:
    """Run a plugin's code unless it has been run; return what is wrong with it."""
    try:
        run(code)
    except PluginFault as fault:
        return _problem(code.file, fault)
    return None


def run(code: PluginCode) -> ModuleType:
    """Return the module of this very text, run if it has not been."""
    module_name = _MODULE_PREFIX + code.name
    before = sys.modules.get(module_name)
    if before is not None and getattr(before, _TEXT) == code.text:
        return before
    module = ModuleType(module_name)
    module.__file__ = code.file
    setattr(module, _TEXT, code.text)
    # Where it has to be while it runs: dataclasses resolve their annotations by it.
    sys.modules[module_name] = module
    try:
        _execute(code, module)
        check_contract(module, code.name)
    except PluginFault:
        if before is None:
            del sys.modules[module_name]
        else:
            sys.modules[module_name] = before
        raise
    return module


def find_foreign(name: str) -> ModuleType | None:
    """Return the module of a plugin that this process has run or can import, or None."""
    found = sys.modules.get(_MODULE_PREFIX + name)
    if found is not None:
        return found
    entry = _entry_points().get(name)
    return _import(entry) if entry is not None else None


def check_contract(module: ModuleType, name: str) -> None:
    """Raise ``PluginFault`` unless the module is a plugin of that name."""
    for required in ("NAME", "PRIORITY", "Config", "Handler"):
        if not hasattr(module, required):
            raise PluginFault(f"it has no {required}")
    if name != module.NAME:
        raise PluginFault(f"NAME is '{module.NAME}', but its file or entry point says '{name}'")
    if type(module.PRIORITY) is not int:
        raise PluginFault("PRIORITY is not a whole number")
    if not any(hasattr(module.Handler, phase) for phase in _PHASES):
        raise PluginFault(f"Handler has none of the phases {', '.join(_PHASES)}")
    for phase in _STREAMING:
        if hasattr(module.Handler, "response") and hasattr(module.Handler, phase):
            raise PluginFault(f"it has both response and {phase}: a response is either held back or streams")
    # Imported here and below: costs more than to judge a small file, and only code from elsewhere is judged by it.
    from inspect import iscoroutinefunction

    for phase in _NEVER_WAITING:
        if iscoroutinefunction(getattr(module.Handler, phase, None)):
            raise PluginFault(f"{phase} cannot wait: it must not be an async function")
    _schema_of(module)


class ForeignPlugins:
    """Satisfies ``config.schemas.OtherPlugins``; ``broken`` says why a plugin of a folder is missing."""

    def __init__(self, broken: Mapping[str, str] | None = None) -> None:
        self._broken = broken or {}

    def names(self) -> Iterable[str]:
        """Return the names of the plugins that were brought in, and of installed ones."""
        own = [name.removeprefix(_MODULE_PREFIX) for name in sys.modules if name.startswith(_MODULE_PREFIX)]
        return [*own, *_entry_points()]

    def schema(self, name: str) -> Schema | None:
        """Return the schema of a plugin's ``Config``."""
        try:
            module = find_foreign(name)
            return _schema_of(module) if module is not None else None
        except PluginFault:
            return None

    def fault(self, name: str) -> str | None:
        """Return why a plugin cannot be loaded."""
        if name in self._broken:
            return self._broken[name]
        try:
            find_foreign(name)
        except PluginFault as fault:
            return str(fault)
        return None


def foreign_schemas(enabled: Collection[str] | None) -> dict[str, Schema]:
    """Return the schemas of all usable plugins from elsewhere, for processes that never run them.

    Of those that no configuration uses, too: the Admin API shows what could be used, and judges it.
    """
    others = ForeignPlugins()
    names = {name for name in others.names() if enabled is None or name in enabled}
    usable = sorted(name for name in names if not is_bundled(name))
    return {name: schema for name in usable if (schema := others.schema(name)) is not None}


def _schema_of(module: ModuleType) -> Schema:
    from dbless_gateway.pdk.schema import SchemaError, config_schema

    try:
        schema = config_schema(module.Config)
    except (SchemaError, NameError, TypeError) as error:
        raise PluginFault(f"no schema can be made of its Config: {error}") from None
    title = (module.__doc__ or "").strip().partition("\n")[0]
    return schema | {
        "$id": f"plugins/{module.NAME}.json",
        "title": module.NAME,
        "description": title,
        "x-kong-protocols": _HTTP_PROTOCOLS,
        "x-kong-protocols-default": _HTTP_PROTOCOLS,
        "x-kong-scopes": _SCOPES,
        # Whoever shows the plugin and never runs it knows the order only from here.
        "x-kong-priority": module.PRIORITY,
    }


def _files(folder: str, problems: list[Problem]) -> list[Path]:
    try:
        return sorted(filter(is_plugin_file, Path(folder).iterdir()))
    except OSError as error:
        problems.append(_problem(folder, PluginFault(f"the folder cannot be read: {error.strerror}")))
        return []


def _read(path: Path, found: Mapping[str, PluginCode]) -> PluginCode:
    name = plugin_name(path.stem)
    if is_bundled(name):
        raise PluginFault(f"'{name}' is the name of a bundled plugin")
    if name in found:
        raise PluginFault(f"'{name}' is in {found[name].file}, too")
    return PluginCode(name, str(path), _text(path))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PluginFault(f"it is larger than {_MAX_FILE_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise PluginFault(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PluginFault("it is not UTF-8") from None


def _execute(code: PluginCode, module: ModuleType) -> None:
    try:
        exec(compile(code.text, code.file, "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        raise PluginFault(f"{error.msg}", error.lineno or 1, error.offset or 1) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        raise PluginFault(told(error), line_in(error, code.file)) from None


def told(error: BaseException) -> str:
    """Return what was raised, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def line_in(error: BaseException, file: str) -> int:
    """Return the innermost line of a file that an exception came through, 1 when there is none."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == file), 1)


def _problem(file: str, fault: PluginFault) -> Problem:
    return Problem(
        file=file,
        line=fault.line,
        column=fault.column,
        end_line=fault.line,
        end_column=fault.column + 1,
        severity="error",
        code="plugin/code",
        path="",
        entity=f'plugin "{plugin_name(Path(file).stem)}"',
        message=str(fault),
        suggestion=None,
    )


class _Imported(NamedTuple):
    module: ModuleType | None
    fault: str


@lru_cache(maxsize=1)
def _entry_points() -> Mapping[str, EntryPoint]:
    # Imported here, because it costs more than most of validate does without. Once, because what is installed
    # under a running process is not what the process can import anew.
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _import(entry: EntryPoint) -> ModuleType:
    imported = _imported(entry)
    if imported.module is None:
        raise PluginFault(imported.fault)
    return imported.module


@lru_cache(maxsize=256)
def _imported(entry: EntryPoint) -> _Imported:
    try:
        module = entry.load()
        if not isinstance(module, ModuleType):
            raise PluginFault(f"entry point {entry.value} is not a module")
        check_contract(module, entry.name)
    except PluginFault as fault:
        return _Imported(None, str(fault))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        return _Imported(None, f"{entry.value}: {told(error)}")
    return _Imported(module, "")
