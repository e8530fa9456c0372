"""What is left of a configuration without its mistakes, for those who look for more of them.

Some mistakes show only when entities are compiled: an expression, a header's regular expression, what only a
plugin can judge. They should be told in the same breath as those of the schemas, so the entities without an
error are compiled although the whole cannot be used. Nothing may be reported that would not be wrong in the
repaired file; in doubt an entity is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dbless_gateway.config.drafts import Draft
from dbless_gateway.config.schemas import Schemas


def sound_part(drafts: Collection[Draft], schemas: Schemas) -> list[Draft]:
    """Return the linked entities that have no error, without what must belong to one that has.

    What may stand alone does so here: a route is judged although its service is wrong.
    """
    left = [draft for draft in drafts if not draft.broken and not draft.document.unresolved]
    while True:
        ids = {draft.id for draft in left}
        kept = [draft for draft in left if ids.issuperset(_needs(draft, schemas))]
        if len(kept) == len(left):
            break
        left = kept
    if any(draft.id not in ids and _is_identity(draft.collection, schemas) for draft in drafts):
        # A plugin may name one of them in its config, as ``anonymous`` for one.
        left = [draft for draft in left if draft.collection != "plugins"]
    for draft in left:
        for field in schemas.entity(draft.collection).record.references:
            if draft.fields.get(field) not in ids:
                draft.fields[field] = None
    return left


def _needs(draft: Draft, schemas: Schemas) -> Iterable[str]:
    """Yield the ids of the entities that this one cannot do without."""
    record = schemas.entity(draft.collection).record
    for field in record.references:
        reference = draft.fields.get(field)
        if reference is not None and "x-kong-required" in record.properties[field]:
            yield reference
    if draft.collection == "services":
        yield from draft.fields.get("ca_certificates") or ()


def _is_identity(collection: str, schemas: Schemas) -> bool:
    return collection == "consumers" or schemas.entity(collection).credential_of is not None
