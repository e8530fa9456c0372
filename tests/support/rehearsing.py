"""Rehearsals of configurations that stand in a test as text."""

from __future__ import annotations

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.rehearsal import Rehearsal, rehearse

HEAD = '_format_version: "3.0"\n'


def open_text(text: str, options: ProxyOptions | None = None) -> Rehearsal:
    """Return the rehearsal of a valid configuration without its first line; the caller closes it."""
    options = options or ProxyOptions()
    loading = LoadOptions(environ={}, router_flavor=options.router_flavor)
    loaded = load([Source("kong.yaml", HEAD + text)], loading)
    assert loaded.entities is not None, [problem.headline() for problem in loaded.problems]
    made = rehearse(loaded.entities, options)
    assert isinstance(made, Rehearsal), made
    return made
