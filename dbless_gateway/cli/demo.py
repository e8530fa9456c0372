"""dbless-gateway demo: the gateway on a configuration, together with two small targets to send requests to.

The targets are plain HTTP servers on the loopback interface, in threads of this process, so that Ctrl-C
ends everything at once. They answer JSON that tells which of them answered, and what it was asked. This
module knows the addresses in ``kong.yaml.example`` and nothing about how a gateway starts: it calls the
start command.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

# The targets of kong.yaml.example.
TARGET_PORTS = (9001, 9002)
EXAMPLE_FILE = "kong.yaml.example"
# The example's proxy-cache keeps answers of exactly this type. It is sent for paths with this beginning only,
# so that all others show how requests move from target to target.
CACHEABLE_TYPE = "application/json; charset=utf-8"
CACHEABLE_PATH = "/cacheable"

_WHAT_TO_TRY = f"""
Try, in another terminal:

  curl -i http://127.0.0.1:8000/mock/hello       # again: the answering "target" changes
  curl -i http://127.0.0.1:8000/mock/cacheable   # again: X-Cache-Status goes from Miss to Hit
  curl -i http://127.0.0.1:8000/mock/hello       # the sixth request in a minute: 429
  curl -i http://127.0.0.1:8001/status           # what is served, and by which workers

Then edit {EXAMPLE_FILE}, say to "enabled: true" for key-auth, and ask again.
"""


def main(argv: list[str]) -> int:
    """Run the demo until it is stopped; return the exit code of the gateway."""
    arguments, start_arguments = _parser().parse_known_args(argv)
    files = arguments.config or [EXAMPLE_FILE]
    ports = arguments.target_port or TARGET_PORTS
    with ExitStack() as targets:
        try:
            for port in ports:
                targets.enter_context(serve_target(port))
        except OSError as error:
            print(f"dbless-gateway demo: 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
            return 1
        print(_greeting(files[0], ports), flush=True)
        return _start([argument for file in files for argument in ("-c", file)] + start_arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dbless-gateway demo",
        description="Start the gateway together with two demo targets.",
        epilog="Every other flag is handed on to `dbless-gateway start`.",
    )
    parser.add_argument("-c", "--config", action="append", metavar="FILE", help=f"default: {EXAMPLE_FILE}")
    parser.add_argument(
        "--target-port",
        action="append",
        type=int,
        metavar="PORT",
        help="where a demo target listens; may be repeated (default: 9001 and 9002, as in the example)",
    )
    return parser


def _greeting(file: str, ports: Sequence[int]) -> str:
    """Say what runs; only of the example is it known what to try."""
    targets = ", ".join(f"127.0.0.1:{port}" for port in ports)
    said = f"Serving {file} with demo targets on {targets}. Ctrl-C stops everything.\n"
    return said + (_WHAT_TO_TRY if Path(file).name == EXAMPLE_FILE else "")


def _start(argv: list[str]) -> int:
    from dbless_gateway.cli import start  # Late: --help must not pay for loading the gateway.

    return start.main(argv)


@contextmanager
def serve_target(port: int) -> Iterator[int]:
    """Serve a demo target on the loopback interface; yield its port (0 asks for any)."""
    server = _TargetServer(("127.0.0.1", port), _TargetHandler)
    thread = threading.Thread(target=server.serve_forever, name=f"demo-target-{port}", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _TargetServer(ThreadingHTTPServer):
    daemon_threads = True  # An idle connection of the gateway's pool must not hold up the end.
    block_on_close = False


class _TargetHandler(BaseHTTPRequestHandler):
    """Answers every method with JSON about itself and the request."""

    protocol_version = "HTTP/1.1"
    server_version = "demo-target"
    sys_version = ""
    wbufsize = -1  # Head and body leave in one segment; two would wait for each other's acknowledgement.

    def answer(self) -> None:
        """Tell who answers, and what was asked."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True  # A body of unknown length is left unread, so nothing can follow it.
        host, port = self.connection.getsockname()
        told = {
            "target": f"{host}:{port}",
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": body.decode(errors="replace"),
        }
        cacheable = urlsplit(self.path).path.startswith(CACHEABLE_PATH)
        payload = json.dumps(told, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", CACHEABLE_TYPE if cacheable else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the gateway's log."""
