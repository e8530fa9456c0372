"""The prefix map against looking at every key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.prefixes import PrefixMap

TEXTS = st.text("ab/", max_size=8).map(str.encode)


def frozen(keys: set[bytes]) -> PrefixMap[bytes]:
    found: PrefixMap[bytes] = PrefixMap()
    for key in keys:
        found.building[key] = key
    for _ in found.freeze_steps():
        pass
    return found


@given(st.sets(TEXTS), TEXTS)
def test_finds_every_key_that_the_text_begins_with(keys: set[bytes], text: bytes) -> None:
    expected = sorted((key for key in keys if text.startswith(key)), key=len, reverse=True)

    assert list(frozen(keys).all(text)) == expected


def test_many_keys_are_sorted_in_slices() -> None:
    keys = {b"/%d" % number for number in range(5000)}
    building: PrefixMap[bytes] = PrefixMap()
    building.building.update({key: key for key in keys})

    assert sum(1 for _ in building.freeze_steps()) > 10
    assert building.keys == sorted(keys)
    assert list(building.all(b"/4999/x")) == [b"/4999", b"/499", b"/49", b"/4"]


def test_empty() -> None:
    assert list(frozen(set()).all(b"/")) == []
