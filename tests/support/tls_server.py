"""A server with TLS that answers every GET with a document as JSON."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        pass  # Clients that do not trust us go away in the middle.


class Telling(BaseHTTPRequestHandler):
    """Answers with what ``told`` returns."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def told(self) -> object:
        """Return the document of an answer."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps(self.told()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serve_tls(context: ssl.SSLContext, handler: type[Telling]) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1; yield the port."""
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
