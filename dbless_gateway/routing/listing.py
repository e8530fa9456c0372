"""A router's rules in the order in which they are tried, as a table for people: all of them, or per host.

The order is that of the rules' keys. In the ``traditional`` flavour a request decides where in it the search
begins, and a rule with a longer matching prefix may be tried earlier; ``explain`` tells that for one request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from dbless_gateway.routing.classic import is_http
from dbless_gateway.routing.explain import path_of
from dbless_gateway.routing.flavors import Flavor, flavor_of
from dbless_gateway.routing.hosts import split_port
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Connection, Request
from dbless_gateway.routing.rules import RouterEntry, Rule, T

# Stands for whatever a wildcard stands for; no host of a file is called so.
_ANYTHING = "*"
_CONNECTION = Connection(b"http", 80, None, "127.0.0.1", 0, "127.0.0.1", 80)


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A rule: one route with one of its paths, as the file has it."""

    entry: RouterEntry[T]
    path: str | None


@dataclass(frozen=True, slots=True)
class HostTable(Generic[T]):
    """What is tried for a host, in order; ``host`` is None for every host that no route names."""

    host: str | None
    rules: tuple[Listed[T], ...]


class Listing(Generic[T]):
    """All rules of a table."""

    def __init__(self, entries: Iterable[RouterEntry[T]], flavor: str) -> None:
        self._flavor = flavor_of(flavor)
        self._rules = _rules_of(entries, self._flavor)
        self._hosts = list(dict.fromkeys(host for rule in self._rules for host in _hosts_of(rule)))
        # A host is looked up among the rules that name it, and those that may take any.
        self._naming: dict[str, list[Rule[T]]] = {}
        self._open: list[Rule[T]] = []
        for rule in self._rules:
            hosts = _hosts_of(rule)
            if not hosts or any(_ANYTHING in host for host in hosts):
                self._open.append(rule)
                continue
            for name in dict.fromkeys(map(_name_of, hosts)):
                self._naming.setdefault(name, []).append(rule)

    def for_all_hosts(self) -> Iterator[HostTable[T]]:
        """Yield the table of each host that a route names, in order of names, then that of all others."""
        for host in sorted(self._hosts, key=_sorting):
            yield self.for_host(host)
        yield HostTable(None, tuple(_listed(rule) for rule in self._open if not _hosts_of(rule)))

    def for_host(self, host: str) -> HostTable[T]:
        """Return the table of one host; a wildcard stands for the names that only it takes."""
        request = Request(b"GET", host.encode(), b"/", _CONNECTION, _NoHeaders(), None)
        self._flavor.prepare(request)
        candidates = [*self._naming.get(_name_of(host), ()), *self._open]
        taking = [rule for rule in candidates if _takes_host(rule, request)]
        taking.sort(key=lambda rule: rule.key, reverse=True)
        return HostTable(host, tuple(map(_listed, taking)))


class _NoHeaders:
    """``routing.request.HeaderLookup``."""

    def get_all(self, name: bytes) -> list[bytes]:
        return []


def _rules_of(entries: Iterable[RouterEntry[T]], flavor: Flavor) -> list[Rule[T]]:
    """Return all rules, the first to be tried first; what a router leaves out is left out."""
    problems: list[RouteProblem] = []
    rules: list[Rule[T]] = []
    for entry in entries:
        if is_http(entry.route) and (entry.service is None or entry.service.enabled):
            rules += (rule for rule, _ in flavor.rules_of(entry, len(rules), problems))
    return sorted(rules, key=lambda rule: rule.key, reverse=True)


def _hosts_of(rule: Rule[T]) -> Sequence[str]:
    return rule.entry.route.hosts or ()


def _name_of(host: str) -> str:
    return split_port(host.lower().encode())[0].decode()


def _sorting(host: str) -> tuple[list[str], str]:
    """Sort names by their domains, so that what belongs together stands together."""
    return _name_of(host).split(".")[::-1], host


def _takes_host(rule: Rule[T], request: Request) -> bool:
    return all(condition(request) for condition in rule.conditions if condition.kind == "hosts")


def _listed(rule: Rule[T]) -> Listed[T]:
    return Listed(rule.entry, path_of(rule))
