"""What the supervisor and a loader process say to each other: one request, one outcome, then the slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbless_gateway.admin.changes import Edit
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import Schema
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.runtime.report import CertificateExpiry
from dbless_gateway.snapshot.foreign_plugins import NO_PLUGINS, PluginSettings

# Kinds of frames in the loader's output; an editor, which goes on, says when an answer is complete.
OUTCOME, SLICE, END = 0, 1, 2
# The kind of all frames in an editor's input.
REQUEST = 0


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load; it goes to the loader's standard input."""

    files: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]  # (name, text), when there are no files
    options: ProxyOptions
    wants_texts: bool = False  # the outcome shall carry what was read
    seed: bytes | None = None  # what secrets are made from that the texts leave out
    plugins: PluginSettings = NO_PLUGINS
    expand_env: bool = False  # ${X} in the texts stands for a variable
    listener_certificates: tuple[tuple[str, str], ...] = ()  # (name, PEM): their expiry is wanted, too


@dataclass(frozen=True, slots=True)
class Loaded:
    """The loader's outcome. With problems of severity ``error`` there is no configuration."""

    hash: str
    counts: Mapping[str, int]  # entities by collection
    problems: tuple[Problem, ...]
    texts: tuple[tuple[str, str], ...] = ()
    plugin_schemas: Mapping[str, Schema] = field(default_factory=dict)  # of plugins from elsewhere
    certificates: tuple[CertificateExpiry, ...] = ()  # what expires first comes first
    edit: Edit | None = None  # the change that was made before the load, by an editor process
