"""The line that ``start`` runs, up to the compiled snapshot, and the lints behind it.

``judge`` is what ``validate`` is: a file without errors here is a file that starts. The one difference is a
plugin that this version does not run. ``start`` must refuse it, while here it is a warning with a code of its
own, so that files for a full Kong can be checked too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dbless_gateway.config.drafts import Finding, Report
from dbless_gateway.config.entities import Where
from dbless_gateway.config.garbage import without_collector
from dbless_gateway.config.load import LoadOptions, load, read_again
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import dataclass, replace
from dbless_gateway.config.source import Source, Text
from dbless_gateway.lint import credentials, health, paths, reach, surprises, tls, unused
from dbless_gateway.lint.hiding import environment_values, without_values
from dbless_gateway.lint.places import Places
from dbless_gateway.lint.subject import Later, Lint, Subject
from dbless_gateway.snapshot.certificates import TlsPolicy
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plugin_loader import find_module, plugin_problem

if TYPE_CHECKING:
    from dbless_gateway.config.entities import Entities, Plugin

NOT_RUN = "plugin/not-run"
# Below so many characters there is nothing to give back that would be worth a millisecond.
_LARGE = 1_000_000

_OF_ENTITIES: Mapping[str, Lint] = MappingProxyType(
    {
        reach.UNREACHABLE: reach.contests,
        reach.AMBIGUOUS: reach.contests,
        paths.PREFIX_BOUNDARY: paths.prefix_boundary,
        paths.REGEX_WITHOUT_TILDE: paths.regex_without_tilde,
        health.NEVER_EJECTS: health.never_ejects,
        tls.UNVERIFIED: tls.unverified,
        tls.EXPIRES: tls.expiring,
        unused.UPSTREAM: unused.upstreams,
        unused.CONSUMER: unused.consumers,
        unused.CERTIFICATE: unused.certificates,
        unused.ROUTE: unused.routes,
    }
)
# Every lint; all are on unless somebody switches them off.
LINTS: frozenset[str] = frozenset((*_OF_ENTITIES, surprises.SURPRISE, credentials.PLAINTEXT))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``texts`` are the sources by file name, ``places`` where what they say stands in them."""

    problems: list[Problem]
    texts: Mapping[str, str]
    places: Places

    def has_errors(self) -> bool:
        """Tell whether the configuration cannot be used."""
        return any(problem.severity == "error" for problem in self.problems)


class _Examined(NamedTuple):
    """What is left of a configuration that was loaded, compiled and linted."""

    sources: Sequence[Text]
    problems: list[Problem]
    of_compiling: list[Problem]  # these know entities and no fields
    found: list[tuple[Where, Finding | Later]]
    has_surprises: bool
    may_have_secrets: bool


def judge(sources: Sequence[Source], options: LoadOptions, lints: Collection[str] = LINTS) -> Verdict:
    """Load, compile and lint one configuration; ``lints`` are the codes that are wanted."""
    options = replace(options, spare_placeholders=options.mock_env)
    with without_collector():
        examined = _examine(sources, options, lints)
        # Entities and snapshot are gone here: the files, once more in memory, take their place.
        if sum(len(text.text) for text in examined.sources) >= _LARGE:
            _give_back_freed()
        places = Places(lambda: read_again(examined.sources, options))
        report = Report()
        _report(examined, places, lints, report)
        texts = {text.name: text.text for text in examined.sources}
        found = [*examined.problems, *(places.refine(problem, texts) for problem in examined.of_compiling)]
    # What is an error there needs no lint.
    wrong = {(problem.file, problem.line, problem.column) for problem in found if problem.severity == "error"}
    found += [p for p in report.problems if (p.file, p.line, p.column) not in wrong]
    secrets = [] if options.mock_env else environment_values(texts, options.environ)
    found = [without_values(problem, secrets) for problem in found]
    return Verdict(_in_order(found, texts), texts, places)


def _examine(sources: Sequence[Source], options: LoadOptions, lints: Collection[str]) -> _Examined:
    loaded = load(sources, options)
    if sum(len(text.text) for text in loaded.sources) >= _LARGE:
        _give_back_freed()
    entities = loaded.entities
    problems, snapshot = _compile(entities or loaded.sound, options)
    found: list[tuple[Where, Finding | Later]] = []
    secrets = False
    if snapshot is not None and entities is not None:
        wanted = dict.fromkeys(lint for code, lint in _OF_ENTITIES.items() if code in lints)
        subject = Subject(entities, snapshot.router, options.router_flavor)
        found = [item for lint in wanted for item in lint(subject)]
        secrets = credentials.PLAINTEXT in lints and credentials.may_have_secrets(entities)
    return _Examined(loaded.sources, loaded.problems, problems, found, loaded.has_surprises, secrets)


def _report(examined: _Examined, places: Places, lints: Collection[str], report: Report) -> None:
    if surprises.SURPRISE in lints and examined.has_surprises:
        surprises.report_surprises(places, report)
    for where, item in examined.found:
        draft = places.at(where)
        finding = item if isinstance(item, Finding) else item(draft, places)
        if finding is not None and finding.code in lints:
            report.add(draft, finding)
    if examined.may_have_secrets:
        for draft, finding in credentials.plaintext_credentials(places):
            report.add(draft, finding)


def _give_back_freed() -> None:
    # Imported here: only large files need it, and small ones should not wait for it.
    from dbless_gateway.lint.heap import give_back_freed

    give_back_freed()


def _compile(entities: Entities | None, options: LoadOptions) -> tuple[list[Problem], Snapshot | None]:
    if entities is None:
        return [], None
    not_run = [plugin for plugin in entities.plugins if plugin.enabled and find_module(plugin.name) is None]
    if not_run:
        left_out = {plugin.id for plugin in not_run}
        run = tuple(plugin for plugin in entities.plugins if plugin.id not in left_out)
        entities = replace(entities, plugins=run)
    problems = [_warning(plugin) for plugin in not_run]
    # As with Kong's own listeners, one of which speaks TLS: certificates are judged, too.
    compiling = CompileOptions(router_flavor=options.router_flavor, tls=TlsPolicy())
    outcome = compile_snapshot(entities, DryRunHost(), compiling)
    if isinstance(outcome, list):
        return problems + outcome, None
    return problems, outcome


def _warning(plugin: Plugin) -> Problem:
    message = f"plugin '{plugin.name}' is valid, but this version does not run it"
    return replace(plugin_problem(plugin, NOT_RUN, message, None), severity="warning")


def _in_order(problems: list[Problem], texts: Mapping[str, str]) -> list[Problem]:
    """Sort by file, in the order in which the files were read, and by place."""
    order = {name: number for number, name in enumerate(texts)}
    return sorted(problems, key=lambda p: (order.get(p.file, -1), p.line, p.column, p.severity, p.code))
