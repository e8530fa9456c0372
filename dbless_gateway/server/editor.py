"""The editor process: makes changes in the configuration's files, one at a time, and checks each like a load.

``python -m dbless_gateway.server.editor`` takes frames of pickled ``EditRequest`` on standard input until it
ends, and answers each with the same frames as the loader and one that says ``END``: the new configuration,
ready to be served, and the new text of the file. It writes nothing: that is done by the supervisor, when
nobody else has changed the file meanwhile.

What was loaded for one change is kept for the next: as long as the files have the same texts, reading them
again could find nothing else. So a change costs one load and not two.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.changes import Change, Edit
from dbless_gateway.admin.failures import Failure, plain
from dbless_gateway.admin.planning import Plan, Planner
from dbless_gateway.config.document import Document
from dbless_gateway.config.edit import NotEditable, document_of
from dbless_gateway.config.edit_document import edit
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.load import Loaded as LoadedTexts
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.parse import KnownTexts, Parsed, read
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import DEFAULT_MAX_BYTES, Source, Text, read_sources
from dbless_gateway.server.frames import FrameReader, frame
from dbless_gateway.server.load_messages import END, OUTCOME, Loaded, LoadRequest
from dbless_gateway.server.loader import compiled, loading_options, private_standard_output, write

_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A change, and how the files are loaded."""

    load: LoadRequest
    change: Change


class Made(NamedTuple):
    """A change in the files, before it was checked."""

    edit: Edit
    texts: dict[str, str]  # of all files, after it
    parsed: KnownTexts  # of the file that changes


def main() -> int:
    """Answer requests until there are no more."""
    # Signals are the supervisor's business; when it has gone, standard input ends.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    # A load makes a million objects and no garbage; those of the one before go by their counts.
    gc.disable()
    editor = Editor()
    with private_standard_output() as out:
        for request in _requests(sys.stdin.fileno()):
            editor.answer(request, out)
            out.write(frame(END, b""))
            out.flush()
    sys.stderr.flush()
    os._exit(0)


def _requests(descriptor: int) -> Iterator[EditRequest]:
    frames = FrameReader()
    while data := os.read(descriptor, _READ_BYTES):
        for _, body in frames.feed(data):
            yield pickle.loads(body)


class Editor:
    """Makes changes, and keeps what the files were loaded as."""

    def __init__(self) -> None:
        self._kept: tuple[LoadOptions, LoadedTexts] | None = None

    def answer(self, request: EditRequest, out: BinaryIO) -> None:
        """Make a change and write what came of it."""
        options = loading_options(request.load)
        before = self._loaded(request.load, options)
        try:
            made = make(request.change, before, options)
        except Failure as failure:
            out.write(_only(Edit(refusal=failure.answer)))
            return
        if not made.edit.file:
            out.write(_only(made.edit))
            return
        known = {**(before.known or {}), **made.parsed}
        after = load([Source(*item) for item in made.texts.items()], options, known)
        checked = compiled(request.load, after.entities, after.problems, after.texts)
        assert before.entities is not None
        write(out, checked, _with_id(made.edit, before.entities, checked.entities, request.change.collection))
        self._kept = (options, after)

    def _loaded(self, request: LoadRequest, options: LoadOptions) -> LoadedTexts:
        """Return what the files are loaded as, from memory if nothing of it has changed."""
        sources = [Source(name) for name in request.files]
        texts = [text for text in read_sources(sources, DEFAULT_MAX_BYTES) if isinstance(text, Text)]
        if self._kept is not None and self._kept[0] == options:
            kept = self._kept[1]
            if {text.name: text.text for text in texts} == kept.texts:
                return kept
        self._kept = None
        loaded = load(sources, options, _read_all(texts, options))
        self._kept = (options, loaded)
        return loaded


def _read_all(texts: Sequence[Text], options: LoadOptions) -> KnownTexts:
    """Read what can be read: loading and planning both need it."""
    known: dict[str, Parsed] = {}
    for text in texts:
        # What is wrong with the others is for the load to say.
        with suppress(Fatal):
            known[text.name] = read(text, options)
    return known


def _only(edit: Edit) -> bytes:
    """Return the answer to a change that changes no file."""
    return frame(OUTCOME, pickle.dumps(Loaded("", {}, (), edit=edit)))


def make(change: Change, loaded: LoadedTexts, options: LoadOptions) -> Made:
    """Make the change in the text of its file; raises a ``Failure``."""
    if loaded.entities is None:
        raise _unusable(loaded.problems)
    if change.if_match is not None and change.if_match != loaded.entities.hash:
        raise plain(412, f"the configuration's hash is {loaded.entities.hash}")
    plan = Planner.over(loaded.entities, loaded.documents, options.router_flavor).plan(change)
    if plan.document is None or not plan.steps:
        return Made(Edit(entity_id=plan.entity_id), dict(loaded.texts), {})
    return _edited(plan, plan.document, loaded, options)


def _edited(plan: Plan, document: Document, loaded: LoadedTexts, options: LoadOptions) -> Made:
    name, is_json = document.file, document.file.endswith(".json")
    old = loaded.texts[name]
    parsed: dict[str, Parsed] = {}

    def reread(text: str) -> Document:
        # With variables for the load that follows; for a comparison with the file they must be what they are.
        try:
            found = parsed[name] = read(Text(name, text, "json" if is_json else "any"), options)
        except Fatal as failure:
            raise NotEditable(failure.fault.message) from None
        return _as_written(found.document, text, is_json=is_json)

    try:
        before = _as_written(document, old, is_json=is_json)
        new = edit(old, plan.steps, is_json=is_json, document=before, read=reread)
    except NotEditable as reason:
        raise plain(409, f"{name} cannot be changed here: {reason}") from None
    made = Edit(file=name, old=old, new=new, entity_id=plan.entity_id, is_new=plan.is_new)
    return Made(made, {**loaded.texts, name: new}, parsed)


def _as_written(document: Document, text: str, *, is_json: bool) -> Document:
    """Return the document if nothing in it stands for a variable; else one that was read without them."""
    is_plain = not document.substituted and not document.unresolved
    return document if is_plain else document_of(text, is_json=is_json)


def _with_id(made: Edit, before: Entities, after: Entities | None, collection: str) -> Edit:
    """Return the edit with the id that the new entity got when its file was loaded."""
    if made.entity_id or not made.is_new or after is None:
        return made
    found = _ids(after, collection) - _ids(before, collection)
    return replace(made, entity_id=found.pop()) if found else made


def _ids(entities: Entities, collection: str) -> set[str]:
    return {item.id for item in Catalog(entities).items(collection)}


def _unusable(problems: list[Problem]) -> Failure:
    error = next(problem for problem in problems if problem.severity == "error")
    return plain(409, f"the configuration's files are not valid: {error.one_line()}")


if __name__ == "__main__":
    raise SystemExit(main())
