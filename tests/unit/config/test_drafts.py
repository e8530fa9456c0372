"""How problems are placed and worded: paths, labels, hidden values, order."""

from __future__ import annotations

import pytest

from dbless_gateway.config.drafts import kong_field, render_path
from tests.compat.config.cases import load_text


@pytest.mark.parametrize(
    ("path", "shown", "field"),
    [
        ((), "", None),
        (
            ("services", 0, "routes", 1, "paths", 0),
            "services[0].routes[1].paths[0]",
            "services.1.routes.2.paths.1",
        ),
        (("config", "redis", "host"), "config.redis.host", "config.redis.host"),
    ],
)
def test_paths(path: tuple[str | int, ...], shown: str, field: str | None) -> None:
    assert render_path(path) == shown
    assert kong_field(path) == field


def test_a_problem_names_its_entity_as_people_do() -> None:
    text = (
        "services:\n- name: users\n  host: h\n  routes:\n  - {name: get, paths: [/a, b]}\n  - {hosts: [1]}\n"
    )
    first, second = load_text(text).problems
    assert first.path == "services[0].routes[0].paths[1]"
    assert first.entity == 'service "users" > route "get" > paths[1]'
    assert first.field == "paths.2"
    assert first.headline() == (
        "kong.yaml:6:29: error[schema/format] services[0].routes[0].paths[1]: "
        "should start with: / (fixed path) or ~/ (regex path)"
    )
    assert second.entity == 'service "users" > route #2 > hosts[0]'


def test_a_problem_in_one_line_has_its_suggestion() -> None:
    problem, other = load_text("services:\n- {host: h, read_timeot: 5}\n- {}\n").problems
    told = "services[0].read_timeot: unknown field (did you mean `read_timeout`?)"
    assert (problem.text(), problem.one_line()) == (
        told,
        f"kong.yaml:3:13: error[schema/unknown-field] {told}",
    )
    assert problem.headline() == problem.one_line().partition(" (")[0]
    assert other.one_line() == other.headline()


def test_keys_do_not_name_their_entity() -> None:
    (problem,) = load_text(
        "consumers: [{username: c, keyauth_credentials: [{key: hidden, ttl: x}]}]"
    ).problems
    assert problem.entity == 'consumer "c" > keyauth credential #1 > ttl'


def test_problems_come_in_the_order_of_their_places() -> None:
    text = "routes:\n- {name: a b, paths: [x], hosts: [1]}\nservices:\n- {name: c d}\n"
    places = [(problem.line, problem.column) for problem in load_text(text).problems]
    assert len(places) == 5
    assert places == sorted(places)


def test_one_place_is_blamed_once_for_one_thing() -> None:
    text = "_ignore: [&a {host: h, port: 99999}]\nservices: [{name: a, <<: *a}]\n"
    assert len(load_text(text).problems) == 1


def test_thirty_mistakes_are_thirty_problems() -> None:
    text = "services:\n" + "".join(f"- {{name: s{n}, host: h, port: {70000 + n}}}\n" for n in range(30))
    assert len(load_text(text).problems) == 30
