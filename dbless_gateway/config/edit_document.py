"""Steps applied to the text of a file, whatever its syntax, and the proof that nothing else changed.

YAML is spliced; what cannot be spliced goes through ruamel.yaml if the file is small enough for it. Either
way the new text is read again and must mean exactly what the old one means with the steps applied.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.config.document import plain
from dbless_gateway.config.edit import Editable, NotEditable, data_of
from dbless_gateway.config.edit_splice import NotSpliceable, splice
from dbless_gateway.config.edit_steps import Step, apply, simplified

# A round trip takes about ten seconds for a megabyte, and nobody waits longer for an answer.
ROUND_TRIP_MAX_BYTES = 1024 * 1024


def edit(text: str, steps: Sequence[Step], *, is_json: bool) -> str:
    """Return the text after the steps; raises ``NotEditable``."""
    before = data_of(text, is_json=is_json)
    simple = simplified(before, steps)
    expected = plain(before)
    apply(expected, simple)
    if not is_json:
        try:
            after = splice(text, simple)
            if data_of(after, is_json=False) == expected:
                return after
        except (NotSpliceable, NotEditable):
            pass
    if len(text) > ROUND_TRIP_MAX_BYTES:
        raise NotEditable("the place is written in a way that cannot be changed in a file of this size")
    editable = Editable(text, is_json=is_json)
    apply(editable.tree, simple)
    after = editable.render()
    if data_of(after, is_json=is_json) != expected:
        raise NotEditable("the place is shared by several entities, or cannot be changed without loss")
    return after
