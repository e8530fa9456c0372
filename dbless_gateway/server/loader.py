"""The loader process: reads, checks and compiles the configuration's files, writes the outcome, ends.

``python -m dbless_gateway.server.loader`` takes a pickled ``LoadRequest`` on standard input and writes frames
as ``loading.py`` says. The compile is a dry run: what a worker would refuse is found here first, off every
serving loop; only the entities leave this process.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from dbless_gateway.admin.changes import Edit
from dbless_gateway.config.certificates import expiry_warning
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import Schema
from dbless_gateway.config.slices import to_slices
from dbless_gateway.config.source import Source
from dbless_gateway.runtime.report import CertificateExpiry
from dbless_gateway.server.expiries import expiries
from dbless_gateway.server.frames import frame
from dbless_gateway.server.load_messages import OUTCOME, SLICE, Loaded, LoadRequest
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.foreign_plugins import foreign_schemas, prepare
from dbless_gateway.snapshot.plugin_loader import problem_at
from dbless_gateway.snapshot.secrets import reveal


def main() -> int:
    """Answer one request."""
    # The process ends before garbage could matter.
    gc.disable()
    with private_standard_output() as out:
        request: LoadRequest = pickle.loads(sys.stdin.buffer.read())
        write(out, check(request))
        out.flush()
    sys.stderr.flush()
    # Taking a million objects apart one by one would cost as much as a tenth of the load.
    os._exit(0)


# A worker takes up a slice in one turn of its loop, which serves nobody meanwhile: about 0.15 ms.
SLICE_ENTITIES = 50


class Checked(NamedTuple):
    """What a load found."""

    entities: Entities | None  # None when a problem is an error
    problems: list[Problem]
    texts: tuple[tuple[str, str], ...]
    plugin_schemas: Mapping[str, Schema]  # of usable plugins from elsewhere
    certificates: tuple[CertificateExpiry, ...]


def check(request: LoadRequest) -> Checked:
    """Load and compile."""
    loaded = load(_sources(request), loading_options(request))
    entities, sound, problems, texts = loaded.entities, loaded.sound, loaded.problems, loaded.texts
    # The parsed files are most of the memory, and the compiler needs none of it.
    del loaded
    if sound is not None:
        problems = problems + _compiling_problems(request, sound)
    return compiled(request, entities, problems, texts)


def loading_options(request: LoadRequest) -> LoadOptions:
    """Return how to load, with this process made ready for plugins from elsewhere."""
    return LoadOptions(
        router_flavor=request.options.router_flavor,
        expand_env=request.expand_env,
        seed=request.seed,
        plugins=prepare(request.plugins),
    )


def compiled(
    request: LoadRequest, entities: Entities | None, problems: Sequence[Problem], texts: Mapping[str, str]
) -> Checked:
    """Return what is known of a load after a dry run of compiling it."""
    problems = list(problems)
    certificates: tuple[CertificateExpiry, ...] = ()
    if entities is not None:
        found = _compiling_problems(request, entities)
        if found:
            entities, problems = None, problems + found
        else:
            revealed = reveal(entities).entities
            problems += _expiring(revealed)
            certificates = expiries(revealed, request.listener_certificates)
    schemas = foreign_schemas(request.plugins.enabled) if entities is not None else {}
    wanted = tuple(texts.items()) if request.wants_texts else ()
    return Checked(entities, problems, wanted, schemas, certificates)


def _compiling_problems(request: LoadRequest, entities: Entities) -> list[Problem]:
    """Return what shows only when entities are compiled."""
    options = CompileOptions(request.options.router_flavor, request.options.target_tls, request.options.tls)
    snapshot = compile_snapshot(entities, DryRunHost(), options)
    return snapshot if isinstance(snapshot, list) else []


def _expiring(revealed: Entities) -> list[Problem]:
    """Warn of certificates at their end: this log is where someone looks when clients complain."""
    now = datetime.now(UTC)
    found: list[Problem] = []
    for certificate in revealed.certificates:
        message = expiry_warning(certificate.cert, now)
        if message is not None:
            problem = problem_at(
                certificate.where,
                "lint/certificate-expires",
                f'certificate "{certificate.id}"',
                message,
                None,
            )
            found.append(replace(problem, severity="warning"))
    return found


def _sources(request: LoadRequest) -> list[Source]:
    if request.files:
        return [Source(name) for name in request.files]
    return [Source(name, text) for name, text in request.texts]


def write(out: BinaryIO, checked: Checked, edit: Edit | None = None) -> None:
    """Write what a load found, as frames; ``edit`` is the change that was made before it."""
    entities = checked.entities
    loaded = Loaded(
        hash=entities.hash if entities is not None else "",
        counts=_counts(entities) if entities is not None else {},
        problems=tuple(checked.problems),
        texts=checked.texts,
        certificates=checked.certificates,
        edit=edit,
        plugin_schemas=checked.plugin_schemas,
    )
    out.write(frame(OUTCOME, pickle.dumps(loaded)))
    if entities is not None:
        for data in to_slices(entities, SLICE_ENTITIES):
            out.write(frame(SLICE, data))


def _counts(entities: Entities) -> Mapping[str, int]:
    """Return how many entities there are, for the receipt; kinds that are absent are left out."""
    kinds = (
        "services",
        "routes",
        "upstreams",
        "targets",
        "consumers",
        "credentials",
        "plugins",
        "certificates",
    )
    counts = {kind: len(getattr(entities, kind)) for kind in kinds}
    return {kind: count for kind, count in counts.items() if count}


def private_standard_output() -> BinaryIO:
    """Take standard output away from everybody else: a stray print must not break the frames."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


if __name__ == "__main__":
    raise SystemExit(main())
