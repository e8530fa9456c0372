"""An explanation (``rehearsal/explanation.py``) in words, for a terminal.

It reads the plain form only, so what a running gateway answers is shown in the same way.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.cli.columns import columns
from dbless_gateway.cli.output import printable

Plain = dict[str, Any]

_INDENT = "  "


def text_of(told: Plain) -> str:
    """Return the whole explanation."""
    sections = [_request(told), _winner(told)]
    if told["runners_up"]:
        sections.append(_runners_up(told))
    if told["misses"]:
        sections.append(_misses(told))
    if told["plugins"] is not None:
        sections.append(_plugins(told["plugins"]))
    sections.append(_answer(told["answer"]))
    if told["target_request"] is not None:
        sections.append(_target_request(told["target_request"]))
    if told["service"] is not None:
        sections.append(_service(told))
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _request(told: Plain) -> list[str]:
    request = told["request"]
    path = "a path that is refused" if request["path"] is None else f"path {request['path']}"
    facts = [f"host {request['host']}", path, f"client {request['client_ip']}"]
    if request["sni"]:
        facts.append(f"server name {request['sni']}")
    return [printable(f"{request['method']} {request['url']}"), printable(_INDENT + ", ".join(facts))]


def _winner(told: Plain) -> list[str]:
    winner = told["winner"]
    if winner is None:
        return ["No route takes it."]
    row = [_name(winner["route"]), _taking(winner), winner["route"]["at"]]
    return [f"The route that takes it ({told['router_flavor']})", *columns([row], _INDENT)]


def _runners_up(told: Plain) -> list[str]:
    rows = [
        [_name(other["route"]), _taking(other), other["route"]["at"], other["reason"]]
        for other in told["runners_up"]
    ]
    title = (
        "Routes that match, too" if told["winner"] is not None else "Routes that match, and are not reached"
    )
    return [title, *columns(rows, _INDENT)]


def _taking(candidate: Plain) -> str:
    """Return what of a route takes the request."""
    taking: str = candidate["path"] or candidate["expression"] or "any path"
    return taking


def _misses(told: Plain) -> list[str]:
    rows = [[_name(miss["route"]), miss["route"]["at"], miss["reason"]] for miss in told["misses"]]
    lines = ["Routes that do not match", *columns(rows, _INDENT)]
    hidden = told["misses_total"] - len(rows)
    if hidden:
        lines.append(f"{_INDENT}and {hidden} more (--all shows them)")
    return lines


def _plugins(plugins: Plain) -> list[str]:
    lines = ["Plugins, in running order"]
    rows = []
    for number, link in enumerate(plugins["chain"], 1):
        rows.append([f"{number}.", link["name"], link["scope"], link["at"], _relations(link)])
    lines += columns(rows, _INDENT) or [f"{_INDENT}none"]
    consumer = plugins["consumer"]
    if consumer is not None:
        lines.append(f"{_INDENT}The consumer is {consumer['name']}, says {consumer['authenticated_by']}.")
    for plugin in plugins["for_other_consumers"]:
        lines.append(f"{_INDENT}{plugin['name']} would run for {plugin['scope']} ({plugin['at']}).")
    if plugins["not_run_by_this_version"]:
        names = ", ".join(plugins["not_run_by_this_version"])
        lines.append(f"{_INDENT}Left out, because this version does not run them: {names}")
    return lines


def _relations(link: Plain) -> str:
    told = []
    if link["overrides"]:
        told.append(f"overrides {_instances(link['overrides'])}")
    if link["instead_for"]:
        told.append(f"gives way to {_instances(link['instead_for'])}")
    return "; ".join(told)


def _instances(plugins: list[Plain]) -> str:
    return ", ".join(f"{plugin['scope']} ({plugin['at']})" for plugin in plugins)


def _answer(answer: Plain) -> list[str]:
    if answer["by"] == "target":
        return ["It reaches the target."]
    lines = [f"It is answered with {answer['status']} by {_answerer(answer['by'])}."]
    lines += [printable(_INDENT + line) for line in answer["body"].splitlines()]
    return lines + [printable(f"{_INDENT}A bug: {bug}") for bug in answer["bugs"]]


def _answerer(by: str) -> str:
    return "the gateway itself" if by == "gateway" else f"the plugin {by}"


def _target_request(request: Plain) -> list[str]:
    title = "What the target sees"
    if request["if_plugins_let_it_pass"]:
        title += ", if all plugins let it pass and change nothing"
    lines = [f"{request['method']} {request['url']}"]
    lines += [f"{name}: {value}" for name, value in request["headers"]]
    return [title, *(printable(_INDENT + line) for line in lines)]


def _service(told: Plain) -> list[str]:
    service, timeouts, balancer = told["service"], told["timeouts_ms"], told["balancer"]
    times = ", ".join(f"{name} {value} ms" for name, value in timeouts.items())
    rows = [
        ["service", f"{_name(service)}, {service['url']}, {service['at']}"],
        ["balancer", _balancer(balancer)],
        ["targets", ", ".join(balancer["targets"]) or "none"],
    ]
    if "hash_on" in balancer:
        rows.append(["hash key", _hash_key(balancer)])
    rows += [["timeouts", times], ["retries", str(told["retries"])]]
    return ["Where it goes", *columns(rows, _INDENT)]


def _balancer(balancer: Plain) -> str:
    upstream = balancer["upstream"]
    if upstream is None:
        return f"{balancer['algorithm']} over the addresses of the host"
    return f"{balancer['algorithm']}, upstream {_name(upstream)}, {upstream['at']}"


def _hash_key(balancer: Plain) -> str:
    source = balancer["hash_on"]
    if balancer["hash_fallback"] != "none":
        source += f", else {balancer['hash_fallback']}"
    if balancer["sets_cookie"] is not None:
        return f"{source}: new, and the response sets the cookie {balancer['sets_cookie']}"
    value = balancer["hash_value"]
    return source if value is None else f"{source}: {value or '(empty)'}"


def _name(entity: Plain) -> str:
    name: str = entity["name"] or entity["id"]
    return name
