"""Steps applied to the text of a file, whatever its syntax, and the proof that nothing else changed.

YAML is spliced; what cannot be spliced goes through ruamel.yaml if the file is small enough for it. Either
way the new text is read again and must mean exactly what the old one means with the steps applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dbless_gateway.config.document import Document, plain
from dbless_gateway.config.edit import Editable, NotEditable, document_of
from dbless_gateway.config.edit_splice import NotSpliceable, splice
from dbless_gateway.config.edit_steps import Step, apply, simplified

# A round trip takes about ten seconds for a megabyte, and nobody waits longer for an answer.
ROUND_TRIP_MAX_BYTES = 1024 * 1024


# What a text is read as, with expressions for what they are; raises ``NotEditable``.
Reader = Callable[[str], Document]


def edit(
    text: str,
    steps: Sequence[Step],
    *,
    is_json: bool,
    document: Document | None = None,
    read: Reader | None = None,
) -> str:
    """Return the text after the steps; raises ``NotEditable``.

    Reading is most of the work: who has read the text already gives its ``document``, and who goes on with
    the new one gives a ``read`` that remembers.
    """
    read = read or partial(document_of, is_json=is_json)
    document = document or read(text)
    data = document.data
    simple = simplified(data, steps)
    expected = plain(data)
    apply(expected, simple)
    if not is_json:
        try:
            after = splice(text, document, simple)
            if read(after).data == expected:
                return after
        except (NotSpliceable, NotEditable):
            pass
    if len(text) > ROUND_TRIP_MAX_BYTES:
        raise NotEditable("the place is written in a way that cannot be changed in a file of this size")
    editable = Editable(text, is_json=is_json)
    apply(editable.tree, simple)
    after = editable.render()
    if read(after).data != expected:
        raise NotEditable("the place is shared by several entities, or cannot be changed without loss")
    return after
