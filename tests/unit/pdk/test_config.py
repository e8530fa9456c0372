"""Config tables become dataclasses by their type hints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbless_gateway.pdk.config import build_config


@dataclass(frozen=True, slots=True)
class Inner:
    X_Name: bool | None
    count: int


@dataclass(frozen=True, slots=True)
class Outer:
    names: tuple[str, ...]
    maybe: tuple[int, ...] | None
    inner: Inner
    optional: Inner | None
    rows: tuple[Inner, ...]
    table: dict[str, tuple[str, ...]]
    limit: float | None
    anything: Any


def test_converts_by_hint() -> None:
    built = build_config(
        Outer,
        {
            "names": ["a", "b"],
            "maybe": None,
            "inner": {"X-Name": True, "count": 5.0},
            "rows": [{"X-Name": False, "count": 1}],
            "table": {"k": ["v"]},
            "limit": 5,
            "anything": {"x": [1]},
            "unknown": "ignored",
        },
    )

    assert built == Outer(
        ("a", "b"),
        None,
        Inner(True, 5),
        None,
        (Inner(False, 1),),
        {"k": ("v",)},
        5,
        {"x": [1]},
    )
    assert type(built.inner.count) is int


def test_an_absent_record_is_made_of_absent_fields() -> None:
    built = build_config(Outer, {})

    assert built.inner == Inner(None, None)  # type: ignore[arg-type]
    assert built.optional is None
