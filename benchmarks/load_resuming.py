"""A client that makes a new TLS connection for each request and resumes its session: wrk cannot.

``python -m benchmarks.load_resuming PORT SECONDS CONNECTIONS PATH`` asks again and again, on that many
connections at a time, and prints how many requests were answered and how long each took, as JSON. Every
handshake but the first of each thread must resume; anything else is an error.

The proxy ends each connection, so what ending costs is in its figure.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time

from benchmarks.load_measure import KEY_HEADER, REQUEST_HEADERS

_READ_BYTES = 65536


class Asker(threading.Thread):
    """Asks one request after the other, each on a connection of its own."""

    def __init__(self, port: int, path: str, until: float) -> None:
        super().__init__()
        self.latencies_s: list[float] = []
        self.error: Exception | None = None
        self._port = port
        self._until = until
        self._session: ssl.SSLSession | None = None
        lines = [f"GET {path} HTTP/1.1", "Host: gateway.test", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (*REQUEST_HEADERS, KEY_HEADER)]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        # Of its own: threads that share a context share locks of OpenSSL.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def run(self) -> None:
        """Ask until the time is over."""
        try:
            while (began := time.perf_counter()) < self._until:
                self._ask()
                self.latencies_s.append(time.perf_counter() - began)
        except (OSError, AssertionError) as error:
            self.error = error

    def _ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(
                plain, server_hostname="gateway.test", session=self._session
            ) as secure:
                assert secure.session_reused == (self._session is not None), "the session was not resumed"
                secure.sendall(self._request)
                answer = b""
                while data := secure.recv(_READ_BYTES):
                    answer += data
                assert answer.startswith(b"HTTP/1.1 200"), answer
                self._session = secure.session


def main(argv: list[str]) -> int:
    """Ask on several connections at a time; print the outcome."""
    port, seconds, connections, path = int(argv[0]), float(argv[1]), int(argv[2]), argv[3]
    began = time.perf_counter()
    askers = [Asker(port, path, began + seconds) for _ in range(connections)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
        if asker.error is not None:
            raise SystemExit(f"a request failed on port {port}: {asker.error}")
    took_s = time.perf_counter() - began
    latencies_ms = sorted(1000 * latency_s for asker in askers for latency_s in asker.latencies_s)
    outcome = {
        "requests": len(latencies_ms),
        "requests_per_s": len(latencies_ms) / took_s,
        "p50_ms": latencies_ms[len(latencies_ms) // 2],
        "p99_ms": latencies_ms[len(latencies_ms) * 99 // 100],
    }
    print(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
