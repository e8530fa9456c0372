"""The editor process: makes one change in the configuration's files, checks the outcome like a load, ends.

``python -m dbless_gateway.server.editor`` takes a pickled ``EditRequest`` on standard input and answers with
the same frames as the loader: the new configuration, ready to be served, and the new text of the file. It
writes nothing: that is done by the supervisor, when nobody else has changed the file meanwhile.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from dataclasses import dataclass, replace

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.changes import Change, Edit
from dbless_gateway.admin.failures import Failure, plain
from dbless_gateway.admin.planning import Plan, Planner
from dbless_gateway.config.edit import NotEditable
from dbless_gateway.config.edit_document import edit
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import Loaded as LoadedTexts
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.server.frames import frame
from dbless_gateway.server.load_messages import OUTCOME, Loaded, LoadRequest
from dbless_gateway.server.loader import check, private_standard_output, write
from dbless_gateway.snapshot.foreign_plugins import prepare


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A change, and how the files are loaded."""

    load: LoadRequest
    change: Change


def main() -> int:
    """Answer one request."""
    gc.disable()
    with private_standard_output() as out:
        request: EditRequest = pickle.loads(sys.stdin.buffer.read())
        try:
            made, texts, before = make(request)
        except Failure as failure:
            refused = Loaded("", {}, (), edit=Edit(refusal=failure.answer))
            out.write(frame(OUTCOME, pickle.dumps(refused)))
        else:
            checked = check(replace(request.load, files=(), texts=texts))
            made = _with_id(made, before, checked.entities, request.change.collection)
            write(out, checked, made)
        out.flush()
    sys.stderr.flush()
    os._exit(0)


def make(request: EditRequest) -> tuple[Edit, tuple[tuple[str, str], ...], Entities]:
    """Make the change; return it, the texts of all files after it, and the entities before.

    Raises a ``Failure``.
    """
    change, flavor = request.change, request.load.options.router_flavor
    loaded = load(
        [Source(name) for name in request.load.files],
        LoadOptions(
            router_flavor=flavor,
            expand_env=request.load.expand_env,
            seed=request.load.seed,
            plugins=prepare(request.load.plugins),
        ),
    )
    if loaded.entities is None:
        raise _unusable(loaded.problems)
    if change.if_match is not None and change.if_match != loaded.entities.hash:
        raise plain(412, f"the configuration's hash is {loaded.entities.hash}")
    plan = Planner.over(loaded.entities, loaded.documents, flavor).plan(change)
    made = _edited(plan, loaded)
    texts = {**loaded.texts, made.file: made.new} if made.file else dict(loaded.texts)
    return made, tuple(texts.items()), loaded.entities


def _edited(plan: Plan, loaded: LoadedTexts) -> Edit:
    if plan.document is None or not plan.steps:
        return Edit(entity_id=plan.entity_id)
    name = plan.document.file
    old = loaded.texts[name]
    try:
        new = edit(old, plan.steps, is_json=name.endswith(".json"))
    except NotEditable as reason:
        raise plain(409, f"{name} cannot be changed here: {reason}") from None
    return Edit(file=name, old=old, new=new, entity_id=plan.entity_id, is_new=plan.is_new)


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
    return plain(409, f"the configuration's files are not valid: {error.headline()}")


if __name__ == "__main__":
    raise SystemExit(main())
