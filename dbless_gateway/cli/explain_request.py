"""dbless-gateway explain METHOD URL: why this route takes a request, and what then becomes of it.

Exit codes: 0 explained, 1 the configuration has errors (they are printed), 2 wrong usage, 4 no gateway
answers (``--live``).
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any
from urllib.parse import urlencode

from dbless_gateway.cli.explanation_text import text_of
from dbless_gateway.cli.node_address import EXIT_NO_GATEWAY, NoGateway, add_address_flags, ask
from dbless_gateway.cli.output import put
from dbless_gateway.cli.rehearsing import add_configuration_flags, open_rehearsal
from dbless_gateway.lint.hiding import hidden
from dbless_gateway.rehearsal import question as questions
from dbless_gateway.rehearsal.explanation import explain
from dbless_gateway.rehearsal.question import BadQuestion, Question
from dbless_gateway.rehearsal.rehearsal import Unanswered

EXIT_PROBLEMS = 1
EXIT_USAGE = 2

_OK = 200


def main(argv: list[str]) -> int:
    """Print the explanation."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if bool(arguments.config) == arguments.live:
        parser.error("name a configuration with -c, or ask the running gateway with --live")
    headers = tuple(_header(line, parser) for line in arguments.header)
    try:
        question = questions.ask(
            arguments.method,
            arguments.url,
            headers=headers,
            client_ip=arguments.client_ip,
            sni=arguments.sni,
        )
    except BadQuestion as error:
        parser.error(str(error))
    if arguments.live:
        return _explain_live(arguments)
    return _explain_files(question, arguments, parser)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway explain",
        description="Tell which route takes a request and why, and what becomes of the request.",
    )
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("url", metavar="URL", help="http://HOST/PATH, or a path")
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be repeated"
    )
    parser.add_argument("--sni", metavar="NAME", help="the server name that TLS asks for (default: the host)")
    parser.add_argument(
        "--client-ip", metavar="IP", default=questions.DEFAULT_CLIENT_IP, help="(default: %(default)s)"
    )
    parser.add_argument("--all", action="store_true", help="show every route that does not match")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--live", action="store_true", help="ask the running gateway instead of reading files"
    )
    add_address_flags(parser)
    add_configuration_flags(parser, required=False)
    return parser


def _header(line: str, parser: argparse.ArgumentParser) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        parser.error(f"-H {line!r} is not NAME: VALUE")
    return name.strip(), value.strip()


def _explain_files(question: Question, arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    opened = open_rehearsal(arguments, parser)
    if opened is None:
        return EXIT_PROBLEMS
    with opened.rehearsal as rehearsal:
        try:
            told = explain(rehearsal, question, all_misses=arguments.all)
        except Unanswered as error:
            print(f"dbless-gateway explain: {error}", file=sys.stderr)
            return EXIT_PROBLEMS
    _print(hidden(told, opened.secrets), as_json=arguments.json)
    return 0


def _explain_live(arguments: argparse.Namespace) -> int:
    query = [("method", arguments.method), ("url", arguments.url), ("client_ip", arguments.client_ip)]
    query.append(("headers", "\n".join(arguments.header)))
    if arguments.sni:
        query.append(("sni", arguments.sni))
    if arguments.all:
        query.append(("all", "true"))
    try:
        status, told = ask(arguments, "GET", f"/explain?{urlencode(query)}")
    except NoGateway as error:
        print(f"dbless-gateway explain: {error}", file=sys.stderr)
        return EXIT_NO_GATEWAY
    if status != _OK:
        print(f"dbless-gateway explain: {told.get('message', f'status {status}')}", file=sys.stderr)
        return EXIT_PROBLEMS
    _print(told, as_json=arguments.json)
    return 0


def _print(told: dict[str, Any], *, as_json: bool) -> None:
    put(json.dumps(told, indent=2) + "\n" if as_json else text_of(told))
