"""Whether everything that fits one case of a route also fits a case of another.

Works on what the file says and answers yes only when that is certain; regular expressions are compared as far
as they begin with plain text. The rank of the two is not its business.
"""

from __future__ import annotations

from dbless_gateway.config.entities import Route
from dbless_gateway.lint.samples import literal_prefix
from dbless_gateway.lint.witness import Case
from dbless_gateway.routing.hosts import HostKind, HostPattern, parse_host, parse_sni


def covering_paths(other: Route, route: Route, case: Case) -> list[str | None]:
    """Return the paths with which ``other`` takes all that fits the case; ``[None]`` when it needs none."""
    if not _others_cover(other, route, case):
        return []
    if not other.paths:
        return [None]
    return [path for path in other.paths if case.path is not None and path_covers(path, case.path)]


def _others_cover(other: Route, route: Route, case: Case) -> bool:
    """Compare everything but the path."""
    if other.expression is not None or route.expression is not None:
        return False
    if other.sources != route.sources or other.destinations != route.destinations:
        return False
    if other.methods and case.method not in other.methods:
        return False
    return (
        _hosts_cover(other, case)
        and _snis_cover(other, route)
        and _headers_cover(other, route)
        and set(other.protocols) >= set(route.protocols)
    )


def path_covers(wide: str, narrow: str) -> bool:
    """Tell whether every path that fits ``narrow`` fits ``wide``."""
    if wide == narrow:
        return True
    begins, _ = literal_prefix(narrow[1:]) if narrow.startswith("~") else (narrow, True)
    prefix, is_all = literal_prefix(wide[1:]) if wide.startswith("~") else (wide, True)
    return is_all and begins.startswith(prefix)


def _hosts_cover(other: Route, case: Case) -> bool:
    if not other.hosts:
        return True
    if case.host is None:
        return False
    narrow = parse_host(case.host)
    return any(
        wide.port in (None, narrow.port) and _name_covers(wide, narrow)
        for wide in map(parse_host, other.hosts)
    )


def _snis_cover(other: Route, route: Route) -> bool:
    if not other.snis:
        return True
    wide = [parse_sni(sni) for sni in other.snis]
    return bool(route.snis) and all(
        any(_name_covers(pattern, parse_sni(sni)) for pattern in wide) for sni in route.snis or ()
    )


def _name_covers(wide: HostPattern, narrow: HostPattern) -> bool:
    if narrow.kind is HostKind.EXACT:
        return wide.takes_name(narrow.text)
    if wide.kind is not narrow.kind:
        return False
    if wide.kind is HostKind.SUFFIX:
        return narrow.text.endswith(wide.text)
    return narrow.text.startswith(wide.text)


def _headers_cover(other: Route, route: Route) -> bool:
    own = _folded(route)
    return all(name in own and own[name] <= values for name, values in _folded(other).items())


def _folded(route: Route) -> dict[str, set[str]]:
    """Return the headers as the router compares them; a regex keeps its case."""
    return {
        name.lower().replace("_", "-"): {
            value if value.startswith("~*") else value.lower() for value in values
        }
        for name, values in (route.headers or {}).items()
    }
