"""Which instance of each plugin runs, in which order, and what a consumer changes (proxy.md section 11)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest

from dbless_gateway.snapshot.chains import Instance, InstanceIndex, RouteChains
from tests.support.exchange_script import make_plugin

ROUTE, SERVICE, CONSUMER = "route", "service", "consumer"
# Most specific first: the table of the reference, written down once more.
SCOPES = [
    {"consumer": CONSUMER, "route": ROUTE, "service": SERVICE},
    {"consumer": CONSUMER, "route": ROUTE},
    {"consumer": CONSUMER, "service": SERVICE},
    {"route": ROUTE, "service": SERVICE},
    {"consumer": CONSUMER},
    {"route": ROUTE},
    {"service": SERVICE},
    {},
]


class Handler:
    """A handler whose steps tell who they are; ``phases`` decides which exist."""

    def __init__(self, label: str, phases: Iterable[str] = ("access", "log"), **settings: Any) -> None:
        self.label = label
        for phase in phases:
            setattr(self, phase, self._tell)
        for name, value in settings.items():
            setattr(self, name, value)

    def _tell(self, *arguments: Any) -> str:
        return self.label


def instance(name: str, priority: int, label: str | None = None, /, **scope: Any) -> Instance:
    return Instance(make_plugin(name, **scope), Handler(label or name), priority)


def chains_of(*instances: Instance) -> RouteChains:
    return RouteChains(InstanceIndex(instances), ROUTE, SERVICE)


def told(steps: Iterable[Any]) -> list[str | None]:
    """Return who answers in each step; None for a slot that is skipped."""
    return [step(None) for step in steps]


@pytest.mark.parametrize(
    "present",
    [numbers for size in (1, 2, 3, 8) for numbers in combinations(range(len(SCOPES)), size)],
    ids=str,
)
def test_most_specific_instance_wins(present: tuple[int, ...]) -> None:
    chains = chains_of(*(instance("p", 1, str(number), **SCOPES[number]) for number in reversed(present)))
    (known,) = chains.instances(CONSUMER)
    assert known.handler.label == str(present[0])
    unknown = [found.handler.label for found in chains.instances()]
    assert unknown == [str(number) for number in present if "consumer" not in SCOPES[number]][:1]


@pytest.mark.parametrize(
    "scope",
    [{"route": "other"}, {"service": "other"}, {"consumer": "other"}, {"route": ROUTE, "service": "other"}],
)
def test_other_scopes_are_not_for_this_request(scope: dict[str, str]) -> None:
    assert chains_of(instance("p", 1, **scope)).instances(CONSUMER) == []


def test_order_is_by_priority_then_by_name_backwards() -> None:
    chains = chains_of(
        instance("b", 5), instance("low", -1), instance("a", 5), instance("high", 9), instance("c", 5)
    )
    expected = ["high", "c", "b", "a", "low"]
    assert told(chains.base.access) == expected
    assert told(chains.base.log) == expected


def test_without_route_and_service_only_global_instances_run() -> None:
    index = InstanceIndex(
        [instance("p", 1, "global"), instance("p", 1, "routed", route=ROUTE), instance("q", 2, route=ROUTE)]
    )
    assert [found.handler.label for found in RouteChains(index, None, None).instances()] == ["global"]


def test_phases_exist_where_methods_do() -> None:
    handler = Handler("p", ["header_filter", "body_filter"])
    chain = RouteChains(InstanceIndex([Instance(make_plugin("p"), handler, 1)]), ROUTE, SERVICE).base
    assert (chain.access, len(chain.header_filter), len(chain.body_filter), chain.log) == ((), 1, 1, ())


@pytest.mark.parametrize(
    ("phases", "settings", "needs_request_body", "changes_body"),
    [
        (["access"], {}, False, False),
        (["access"], {"needs_request_body": True}, True, False),
        (["body_filter"], {}, False, True),
        (["body_filter"], {"changes_body": False}, False, False),
    ],
)
def test_what_handlers_ask_for(
    phases: list[str], settings: dict[str, bool], needs_request_body: bool, changes_body: bool
) -> None:
    handler = Handler("p", phases, **settings)
    chain = RouteChains(InstanceIndex([Instance(make_plugin("p"), handler, 1)]), None, None).base
    assert (chain.needs_request_body, chain.changes_body) == (needs_request_body, changes_body)


class TestConsumer:
    """A consumer counts for the plugins behind the one that found out who it is."""

    INSTANCES = (
        instance("early", 9, "early"),
        instance("early", 9, "early of consumer", consumer=CONSUMER),
        instance("auth", 5, "auth"),
        instance("auth", 5, "auth of consumer", consumer=CONSUMER),
        instance("late", 3, "late"),
        instance("late", 3, "late of consumer", consumer=CONSUMER),
        instance("only", 1, "only of consumer", consumer=CONSUMER),
    )

    def test_before_anybody_is_known(self) -> None:
        base = chains_of(*self.INSTANCES).base
        assert told(base.access) == ["early", "auth", "late", None]
        assert told(base.log) == ["early", "auth", "late"]

    def test_behind_the_plugin_that_authenticates(self) -> None:
        chain = chains_of(*self.INSTANCES).for_consumer(CONSUMER, 1)
        assert told(chain.access) == ["early", "auth", "late of consumer", "only of consumer"]
        assert told(chain.log) == ["early", "auth", "late of consumer", "only of consumer"]

    def test_slots_stay_aligned(self) -> None:
        """The position of a running chain stays valid in the chain it is exchanged for."""
        chains = chains_of(*self.INSTANCES)
        for consumer in (CONSUMER, "somebody else"):
            for position in range(4):
                assert len(chains.for_consumer(consumer, position).access) == len(chains.base.access)
        assert [chains.name_at(position) for position in range(-1, 5)] == [
            None,
            "early",
            "auth",
            "late",
            "only",
            None,
        ]

    def test_somebody_without_plugins_of_their_own(self) -> None:
        chains = chains_of(*self.INSTANCES)
        assert told(chains.for_consumer("somebody else", 1).access) == told(chains.base.access)

    def test_where_no_plugin_is_for_a_consumer_the_chain_is_shared(self) -> None:
        chains = chains_of(instance("auth", 5), instance("late", 3))
        assert chains.for_consumer(CONSUMER, 0) is chains.base

    def test_chains_are_remembered_within_bounds(self) -> None:
        chains = chains_of(*self.INSTANCES)
        first = chains.for_consumer(CONSUMER, 1)
        assert chains.for_consumer(CONSUMER, 1) is first
        assert chains.for_consumer(CONSUMER, 2) is not first, "another plugin may have found out"
        for number in range(3000):
            chains.for_consumer(str(number), 1)
        assert len(chains._memo) <= 1000
        assert told(chains.for_consumer(CONSUMER, 1).access) == told(first.access), (
            "forgetting changes nothing"
        )

    def test_plugins_without_access_have_no_slot(self) -> None:
        logger = Instance(make_plugin("logger", consumer=CONSUMER), Handler("logger", ["log"]), 7)
        chains = chains_of(instance("auth", 5), logger, instance("late", 3))
        assert told(chains.base.access) == ["auth", "late"]
        chain = chains.for_consumer(CONSUMER, 0)
        assert told(chain.access) == ["auth", "late"]


def test_a_consumer_counts_behind_whoever_found_it_out() -> None:
    limits = [instance("limit", 5, "for all"), instance("limit", 5, "for one", consumer=CONSUMER)]
    early = [instance("early", 20, "for all"), instance("early", 20, "for one", consumer=CONSUMER)]
    chains = chains_of(*early, instance("auth", 10), *limits)

    chain = chains.for_consumer(CONSUMER, 1)
    found_by = chains.authenticator(CONSUMER, chain)

    assert found_by == "auth"
    labels = [found.handler.label for found in chains.instances(CONSUMER, found_by)]
    assert labels == ["for all", "auth", "for one"]
    assert [found.handler.label for found in chains.instances(CONSUMER)] == ["for one", "auth", "for one"]


def test_nobody_found_out_about_a_chain_that_is_not_the_consumers() -> None:
    chains = chains_of(instance("auth", 10), instance("limit", 5, consumer=CONSUMER))

    assert chains.authenticator(CONSUMER, chains.base) is None
