"""Records are dataclasses to everybody, and cannot be changed."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass
from typing import Any, ClassVar

import pytest

from dbless_gateway.config.records import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Pair:
    left: int
    right: str = field(default="r", repr=False)


@dataclass(frozen=True, slots=True)
class Other:
    """With a text."""

    left: int
    right: str = "r"


def test_construction() -> None:
    assert (Pair(1).left, Pair(1).right) == (1, "r")
    assert Pair(right="x", left=2).right == "x"
    make: Any = Pair
    for wrong in ((), (1, "a", 3)):
        with pytest.raises(TypeError, match="argument"):
            make(*wrong)


def test_what_dataclasses_offer() -> None:
    assert is_dataclass(Pair)
    assert [item.name for item in fields(Pair)] == ["left", "right"]
    assert replace(Pair(1), left=5) == dataclasses.replace(Pair(1), left=5) == Pair(5)
    assert asdict(Pair(1)) == {"left": 1, "right": "r"}
    assert Pair.__match_args__ == ("left", "right")


def test_equality_is_by_kind_and_values() -> None:
    assert Pair(1) == Pair(1, "r")
    assert Pair(1) != Pair(1, "x")
    assert Pair(1).__eq__(Other(1)) is NotImplemented
    assert len({Pair(1), Pair(1), Pair(2)}) == 2


def test_texts() -> None:
    assert (repr(Pair(1)), repr(Other(1))) == ("Pair(left=1)", "Other(left=1, right='r')")
    assert (Pair.__doc__, Other.__doc__) == ("Pair", "With a text.")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(Pair(1, "x"), protocol)) == Pair(1, "x")
    assert copy.deepcopy(Pair(1, "x")) == Pair(1, "x")


def test_nothing_can_be_changed() -> None:
    pair: Any = Pair(1)
    with pytest.raises(FrozenInstanceError):
        pair.left = 2
    with pytest.raises(FrozenInstanceError):
        del pair.left
    with pytest.raises(FrozenInstanceError):
        pair.middle = 2
    assert not hasattr(pair, "__dict__")


@dataclass(slots=True)
class Draft:
    kind: ClassVar[str] = "draft"

    items: list[int] = field(default_factory=list)
    note: str | None = None


def test_records_that_may_change() -> None:
    draft = Draft()
    draft.note = "x"
    draft.items.append(1)
    assert (draft, Draft().items, Draft([2]).items) == (Draft([1], "x"), [], [2])
    assert [item.name for item in fields(Draft)] == ["items", "note"]
    assert fields(Draft)[0].default_factory is list
    assert Draft.kind == "draft"
    with pytest.raises(TypeError, match="unhashable"):
        hash(draft)


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    left: int


def test_records_that_are_only_themselves() -> None:
    one = Distinct(1)
    assert (one == Distinct(1), one == one, len({one, Distinct(1)})) == (False, True, 2)


def test_a_record_has_slots() -> None:
    with pytest.raises(AssertionError):
        dataclass(frozen=True, slots=False)


def test_dataclasses_is_not_needed() -> None:
    program = (
        "import sys; from dbless_gateway.config.records import dataclass, replace\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class Pair:\n    left: 'int'\n    right: 'int' = 2\n"
        "assert replace(Pair(1), left=3) == Pair(3, 2)\n"
        "print('dataclasses' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_native_class_is_completed_in_place() -> None:
    """Classes of the compiled build have types for annotations, and cannot be made anew."""
    native: Any = type("Native", (), {"__annotations__": {"left": int, "right": str}, "right": "r"})
    assert dataclass(frozen=True, slots=True)(native) is native
    assert native(1) == native(1, "r")
    with pytest.raises(FrozenInstanceError):
        native(1).left = 2
