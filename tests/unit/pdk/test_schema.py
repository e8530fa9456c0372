"""What a Config dataclass becomes: types, defaults, limits, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from dbless_gateway.config.validate import Validator
from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.schema import Field, SchemaError, config_schema


@dataclass(frozen=True, slots=True)
class Limits:
    minute: Annotated[int, Field("Requests in a minute.", at_least=1, at_most=100)] = 10
    hour: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    text: Annotated[str, Field("What it says.", pattern="^[a-z]+$", max_length=5)]
    limits: Limits
    mode: Literal["set", "add"] = "set"
    share: float = 0.5
    secret: Annotated[str | None, Field(secret=True)] = None
    maybe: Literal["a", "b"] | None = None
    names: Annotated[tuple[str, ...], Field(min_length=1)] = ("one",)
    labels: dict[str, int] = field(default_factory=dict)
    several: tuple[Limits, ...] = ()
    on: bool = True


SCHEMA = config_schema(Config)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "text",
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 5,
                "pattern": "^[a-z]+$",
                "description": "What it says.",
            },
        ),
        ("mode", {"type": "string", "enum": ["set", "add"], "default": "set"}),
        ("share", {"type": "number", "default": 0.5}),
        (
            "secret",
            {
                "type": ["string", "null"],
                "minLength": 1,
                "x-kong-secret": True,
                "x-kong-referenceable": True,
                "default": None,
            },
        ),
        ("maybe", {"type": ["string", "null"], "enum": ["a", "b", None], "default": None}),
        (
            "names",
            {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "minItems": 1,
                "default": ["one"],
            },
        ),
        ("labels", {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}}),
        ("on", {"type": "boolean", "default": True}),
    ],
)
def test_field_becomes_a_property(name: str, expected: dict[str, Any]) -> None:
    assert expected == SCHEMA["properties"][name]


def test_only_a_field_without_default_is_required() -> None:
    assert SCHEMA["required"] == ["text"]
    assert SCHEMA["additionalProperties"] is False


def test_a_record_fills_itself() -> None:
    assert SCHEMA["properties"]["limits"]["default"] == {}
    assert "properties" in SCHEMA["properties"]["several"]["items"]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, ("text",)),
        ({"text": "TEXT"}, ("text",)),
        ({"text": "abcdef"}, ("text",)),
        ({"text": "a", "limits": {"minute": 0}}, ("limits", "minute")),
        ({"text": "a", "limits": {"minute": "1"}}, ("limits", "minute")),
        ({"text": "a", "mode": "other"}, ("mode",)),
        ({"text": "a", "names": []}, ("names",)),
        ({"text": "a", "several": [{"minute": 101}]}, ("several", 0, "minute")),
        ({"text": "a", "colour": "red"}, ("colour",)),
    ],
)
def test_validation_finds_the_place(config: dict[str, Any], path: tuple[str | int, ...]) -> None:
    assert [path] == [finding.path for finding in Validator(SCHEMA).findings(config)]


def test_annotations_do_not_reach_the_handler() -> None:
    values = {"text": "a", "limits": {"minute": 3.0}, "names": ["x"], "several": [], "labels": {}}
    config = build_config(Config, values)
    assert (config.limits.minute, config.names, config.several) == (3, ("x",), ())


@dataclass
class WithBytes:
    raw: bytes


@dataclass
class WithUnion:
    either: int | str


@dataclass
class WithNumbersInLiteral:
    one: Literal[1]


@pytest.mark.parametrize(
    ("config_type", "message"),
    [
        (WithBytes, "Config.raw: a configuration has no"),
        (WithUnion, "Config.either: one type"),
        (WithNumbersInLiteral, "Config.one: a configuration has no"),
        (object, "not a dataclass"),
    ],
)
def test_what_no_file_can_say_is_refused(config_type: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        config_schema(config_type)
