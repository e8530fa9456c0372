"""Random expressions against the same conditions written as Python functions.

Each term is drawn as a pair of text and function, and put together by the language's rules of precedence, so
the parser, the evaluation and the index are all judged by something that knows none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from tests.compat.routing.tables import make_connection, make_route, make_router, winner

TABLES = 300
REQUESTS = 12


@dataclass
class Asked:
    method: str
    host: str
    path: str
    values: list[str]
    scheme: str

    def segments(self) -> list[str]:
        segments = self.path.split("/")[1:]
        while segments and not segments[-1]:
            segments.pop()
        return segments


Term = tuple[str, Callable[[Asked], bool]]


def path_term(chance: Random) -> Term:
    text = chance.choice(["/", "/a", "/a/b", "/b", "/ab"])
    pattern = chance.choice(["^/a", "^/[ab]/b", "b$", "^/a/(b|c)|/c", r"^/a/\\d+", r"/\\d+-x$"])
    number, segment = chance.randint(0, 2), chance.choice("abc")
    return chance.choice(
        [
            (f'http.path ^= "{text}"', lambda asked: asked.path.startswith(text)),
            (f'http.path == "{text}"', lambda asked: asked.path == text),
            (f'http.path =^ "{text}"', lambda asked: asked.path.endswith(text)),
            (
                f'http.path ~ "{pattern}"',
                lambda asked: bool(re.search(pattern.replace("\\\\", "\\"), asked.path)),
            ),
            (
                f'http.path.segments.{number} == "{segment}"',
                lambda asked: len(asked.segments()) > number and asked.segments()[number] == segment,
            ),
            (f"http.path.segments.len > {number}", lambda asked: len(asked.segments()) > number),
        ]
    )


def other_term(chance: Random) -> Term:
    host, method, value = (
        chance.choice(["a.com", "b.com"]),
        chance.choice(["GET", "PUT"]),
        chance.choice("vw"),
    )
    return chance.choice(
        [
            (f'http.host == "{host}"', lambda asked: asked.host == host),
            (f'http.host =^ "{host[1:]}"', lambda asked: asked.host.endswith(host[1:])),
            (f'http.host ^= "{host[:2]}"', lambda asked: asked.host.startswith(host[:2])),
            (f'http.method == "{method}"', lambda asked: asked.method == method),
            (f'any(http.headers.x_a) == "{value}"', lambda asked: value in asked.values),
            (f'http.headers.x_a == "{value}"', lambda asked: set(asked.values) == {value}),
            (
                f'http.headers.x_a != "{value}"',
                lambda asked: bool(asked.values) and value not in asked.values,
            ),
            (
                f'any(lower(http.headers.x_a)) == "{value}"',
                lambda asked: value in map(str.lower, asked.values),
            ),
            ('net.protocol == "https"', lambda asked: asked.scheme == "https"),
        ]
    )


def draw_expression(chance: Random, depth: int = 0) -> Term:
    """Draw a conjunction of disjunctions of terms, which needs no parentheses."""
    groups = [
        [draw_term(chance, depth) for _ in range(chance.randint(1, 2))] for _ in range(chance.randint(1, 3))
    ]
    text = " && ".join(" || ".join(text for text, _ in group) for group in groups)
    return text, lambda asked: all(any(fits(asked) for _, fits in group) for group in groups)


def draw_term(chance: Random, depth: int) -> Term:
    if depth < 2 and chance.random() < 0.2:
        text, fits = draw_expression(chance, depth + 1)
        if chance.random() < 0.5:
            return f"!({text})", lambda asked: not fits(asked)
        return f"({text})", fits
    return path_term(chance) if chance.random() < 0.6 else other_term(chance)


def draw_request(chance: Random) -> Asked:
    return Asked(
        method=chance.choice(["GET", "PUT"]),
        host=chance.choice(["a.com", "b.com", "c.b.com", "A.com"]),
        path=chance.choice(
            ["/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "/b/b", "/ab", "/a/12", "/a/12-x", "/c"]
        ),
        values=[chance.choice("vVwW") for _ in range(chance.randint(0, 2))],
        scheme=chance.choice(["http", "https"]),
    )


@pytest.mark.slow
def test_the_index_agrees_with_evaluating_every_expression() -> None:
    for seed in range(TABLES):
        chance = Random(seed)
        terms = [draw_expression(chance) for _ in range(chance.randint(1, 6))] * chance.choice((1, 1, 4))
        priorities = [chance.randint(0, 3) for _ in terms]
        routes = [
            make_route(number, expression=text, priority=priority)
            for number, ((text, _), priority) in enumerate(zip(terms, priorities, strict=True), start=1)
        ]
        router = make_router(routes, "expressions")
        for _ in range(REQUESTS):
            asked = draw_request(chance)
            fitting = [
                (priority, number)
                for number, ((_, fits), priority) in enumerate(zip(terms, priorities, strict=True), start=1)
                if fits(asked)
            ]
            found = winner(
                router,
                asked.path,
                method=asked.method,
                host=asked.host,
                headers=[("x-a", value) for value in asked.values],
                connection=make_connection(asked.scheme),
            )

            assert found == (f"R{max(fitting)[1]}" if fitting else None), (seed, asked)
