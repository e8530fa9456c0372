"""The config line: texts in, one linked configuration or every problem out. Read this file first.

    source     which files, in which order                       -> texts
    positions  YAML or JSON to plain data that knows its place   -> documents
    root       the top level of each file                        -> format version, shared parts
    tree       nested entities taken apart                       -> drafts
    dialect    what only decK or an old format means, translated
    rules      every field and every entity judged and completed
    link       ids, references, uniqueness across all files
    vaults     what references to secrets stand for
    freeze     frozen values                                     -> Entities

A mistake never stops the line before the entity it is in: all problems come at once. No input may raise.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence

from dbless_gateway.config.dialect import Dialect
from dbless_gateway.config.document import Document
from dbless_gateway.config.drafts import Draft, Report
from dbless_gateway.config.entities import Entities, PluginCode
from dbless_gateway.config.freeze import freeze
from dbless_gateway.config.garbage import without_collector
from dbless_gateway.config.link import assign_ids, check_authorities, link, memberships
from dbless_gateway.config.parse import KnownTexts, parse
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass, field, replace
from dbless_gateway.config.root import Root, read_roots
from dbless_gateway.config.rows import RowMaker
from dbless_gateway.config.rules import Judge
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.config.sound import sound_part
from dbless_gateway.config.source import DEFAULT_MAX_BYTES, Source, Text, read_sources
from dbless_gateway.config.tree import collect_drafts
from dbless_gateway.config.vaults import resolve_references

# What Kong shows as the hash of a configuration without entities.
EMPTY_HASH = "0" * 32


@dataclass(frozen=True, slots=True)
class BroughtPlugins:
    """Plugins from folders, read before the configuration that uses them, and what is wrong with them."""

    code: tuple[PluginCode, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What a load may depend on beside its text.

    ``expand_env`` turns on ``${X}``; decK's ``${{ env "DECK_X" }}`` always works. ``mock_env`` gives every
    variable a placeholder, for checks on a machine without secrets; with ``spare_placeholders`` one that does
    not fit its field is no mistake, and the configuration is not complete. ``seed`` is what secrets are made
    from that the file leaves out: who loads again and again should keep one. ``now`` (Unix seconds) is for
    tests.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    expand_env: bool = False
    mock_env: bool = False
    spare_placeholders: bool = False
    router_flavor: str = "traditional_compatible"
    max_bytes: int = DEFAULT_MAX_BYTES
    fast_validation: bool = True
    seed: bytes | None = None
    now: float | None = None
    plugins: BroughtPlugins = BroughtPlugins()


@dataclass(frozen=True, slots=True)
class Loaded:
    """``entities`` is None exactly when one of the problems is an error; warnings may come with either.

    It has none either where placeholders were spared.
    ``sound`` are the entities without an error then, to be looked at for more problems and for nothing else.
    ``has_surprises`` tells whether there are scalars that YAML 1.1 reads in a way that few people expect.
    """

    entities: Entities | None
    sound: Entities | None
    problems: list[Problem]
    sources: Sequence[Text]
    has_surprises: bool
    options: LoadOptions
    known: KnownTexts | None

    @property
    def texts(self) -> Mapping[str, str]:
        """What was read, by file name, for those who show source lines or look for more."""
        return {text.name: text.text for text in self.sources}

    def documents(self) -> list[Document]:
        """Return what the texts say, parsed once more unless they were known before.

        Most who load a configuration never ask; to keep it for those who do would take twice its text.
        """
        return read_again(self.sources, self.options, self.known)


def read_again(
    sources: Sequence[Text], options: LoadOptions, known: KnownTexts | None = None
) -> list[Document]:
    """Return what texts say whose mistakes were told before."""
    unheard = Report()
    found = [parse(text, options, unheard, known) for text in sources]
    return [document for document in found if document is not None]


def load(
    sources: Sequence[Source], options: LoadOptions | None = None, known: KnownTexts | None = None
) -> Loaded:
    """Load one configuration from all sources together; ``known`` texts are not read once more."""
    options = options if options is not None else LoadOptions()
    report = Report(spares_substituted=options.spare_placeholders)
    with without_collector():
        texts = _texts(sources, options, report)
        parsed = [parse(text, options, report, known) for text in texts]
        documents = [document for document in parsed if document is not None]
        has_surprises = any(document.surprising for document in documents)
        entities = _link(read_roots(documents, load_schemas(), report), texts, options, report)
    brought = options.plugins
    if entities is not None and brought.code:
        entities = _with_code(entities, brought.code)
    usable = not report.has_errors() and not report.has_spared and not brought.problems
    return Loaded(
        entities if usable else None,
        None if usable else entities,
        [*brought.problems, *report.problems],
        texts,
        has_surprises,
        options,
        known,
    )


def _with_code(entities: Entities, code: tuple[PluginCode, ...]) -> Entities:
    """Let plugins' code belong to the configuration: when it changes, so does the configuration."""
    digest = hashlib.md5(entities.hash.encode(), usedforsecurity=False)
    for plugin in code:
        digest.update(f"{plugin.name}\n{plugin.text}\n".encode("utf-8", "surrogatepass"))
    return replace(entities, hash=digest.hexdigest(), plugin_code=code)


def _texts(sources: Sequence[Source], options: LoadOptions, report: Report) -> list[Text]:
    texts = []
    for item in read_sources(sources, options.max_bytes):
        if isinstance(item, Text):
            report.see(item.name)
            texts.append(item)
        else:
            report.see(item[0])
            report.add_fault(*item)
    return texts


def _link(roots: list[Root], texts: list[Text], options: LoadOptions, report: Report) -> Entities:
    schemas = load_schemas()
    judge = Judge(schemas, report, options.router_flavor, fast=options.fast_validation)
    rows = RowMaker()
    drafts: list[Draft] = []
    for root in roots:
        dialect = Dialect(root.document, root.version, root.shared, schemas, report)
        for draft in collect_drafts(root.document, schemas, report):
            dialect.translate(draft)
            judge.judge(draft)
            draft.fields = rows.row(draft.schema, draft.fields)
            drafts.append(draft)
    members = _connect(drafts, report)
    secrets = resolve_references(drafts, schemas, options.environ, report, mock=options.mock_env)
    if report.has_errors() or report.has_spared:
        drafts = sound_part(drafts, schemas)
        ids = {draft.id for draft in drafts}
        members = [pair for pair in members if ids.issuperset(pair)]
    now = options.now if options.now is not None else time.time()
    transform = all(root.transform for root in roots)
    digest = _hash(texts) if drafts else EMPTY_HASH
    entities = freeze(
        drafts, members, schemas, text_hash=digest, now=now, transform=transform, seed=options.seed
    )
    return replace(entities, secrets=secrets)


def _connect(drafts: list[Draft], report: Report) -> list[tuple[str, str]]:
    """Give entities their ids and resolve what they say of each other; return who is in which group."""
    schemas = load_schemas()
    assign_ids(drafts, schemas)
    directory = link(drafts, schemas, report)
    check_authorities(drafts, directory, report)
    return memberships(drafts, directory, report)


def _hash(texts: list[Text]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for text in texts:
        digest.update(text.text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
