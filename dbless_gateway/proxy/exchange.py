"""One request and its response, from match to log. Read this first: the stages stand here in the order in which they run.

    begin -> rewrite -> match -> access -> body -> pick -> connect -> forward -> response head -> body -> finish

Each stage is a method whose last line calls the next. Most requests run from ``begin`` to ``forward`` in one go, inside the
client connection's ``data_received``, and from the response's head to ``finish`` in one go inside the target's.

Rules of the file:
1. No task and no coroutine for a request whose plugins don't wait; ``suspend`` is the one place that makes a task.
2. Connections never call each other. They call the ``on_...`` methods here, through ``guarded``, so an exception is one
   logged traceback and one 500 and never kills the connection in whose callback it happened to run.
3. An exchange reads ``gateway.snapshot`` once and never sees two configurations.
4. What goes wrong is a row of ``failures.py``, handed to ``fail``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.entities import Consumer, Credential
from dbless_gateway.http1.bodies import BadBody, ChunkedBody, LengthBody
from dbless_gateway.http1.request_head import RequestHead
from dbless_gateway.http1.response_head import ResponseHead
from dbless_gateway.http1.writing import CONTINUE, chunks, last_chunk
from dbless_gateway.pdk.errors import error_reply, is_grpc, server_error
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.client_address import real_ip
from dbless_gateway.proxy.context import ExchangeContext, ResponseView, UpstreamRequest, host_name_of
from dbless_gateway.proxy.failures import Failure, Lesson, Source
from dbless_gateway.proxy.forwarding import request_head
from dbless_gateway.proxy.lifecycle import REQUEST_MOVES, RESPONSE_MOVES, RequestSide, ResponseSide, Wait
from dbless_gateway.proxy.responding import proxied_head, reply_head
from dbless_gateway.proxy.tunnel import Tunnel
from dbless_gateway.routing.paths import normalize
from dbless_gateway.routing.router import Match
from dbless_gateway.runtime.balancer import Balancer, NoPeer
from dbless_gateway.runtime.peer import Peer
from dbless_gateway.snapshot.model import Chain, CompiledRoute, CompiledService

if TYPE_CHECKING:
    from dbless_gateway.proxy.downstream import ClientConnection
    from dbless_gateway.proxy.gateway import Gateway
    from dbless_gateway.proxy.upstream import TargetConnection

# Sending these twice may do something twice (nginx's proxy_next_upstream rule).
_NOT_IDEMPOTENT = frozenset((b"POST", b"LOCK", b"PATCH"))
# Below this size, joining head and body into one write is cheaper than a second system call (about 6 us).
_JOIN_LIMIT_BYTES = 32768
# A plugin that wants the whole body gets at most this much; larger bodies are shown to it as None.
_PLUGIN_BODY_LIMIT_BYTES = 8 * 1024 * 1024
# Buffered for a target that is not connected yet, before the client is told to slow down.
_UNSENT_LIMIT_BYTES = 256 * 1024
# How long what is left of a request is swallowed after its answer, so that the client can read the answer (RFC 9112 section 9.6).
_LINGER_S = 5.0

_NEVER = float("inf")


class Exchange(ExchangeContext):
    """See the module. Attributes are grouped by what they are about."""

    __slots__ = (
        "balancer",
        "body_pieces",
        "body_size",
        "continue_with",
        "is_streaming",
        "peer",
        "replayable",
        "reply_bodyless",
        "request_side",
        "response_chunked",
        "response_side",
        "snapshot",
        "status",
        "target",
        "task",
        "tried",
        "tries_left",
        "wait",
        "wants_upgrade",
    )

    def __init__(self, gateway: Gateway, client: ClientConnection, head: RequestHead) -> None:
        self.gateway = gateway
        self.client = client
        self.snapshot = gateway.snapshot
        self.head = head
        self.started = monotonic()
        self.request_id_bytes = b"%032x" % getrandbits(128)
        # Where it goes.
        self.path_bytes = head.path
        self.upstream_path = head.path
        self.prefix: bytes | None = None
        self.host_name = host_name_of(head)
        self.match: Match[CompiledRoute] | None = None
        self.compiled_route: CompiledRoute | None = None
        self.compiled_service: CompiledService | None = None
        self.upstream_request: UpstreamRequest | None = None
        self.wants_upgrade = False
        # Who it is.
        self.client_ip = client.peer_ip
        self.consumer: Consumer | None = None
        self.credential: Credential | None = None
        self.identity_block: bytes | None = None
        # The plugins.
        self.chain: Chain = self.snapshot.global_chain
        self.position = 0
        self.pending_headers: list[tuple[str, str, bool]] | None = None
        self.response_view: ResponseView | None = None
        self._shared: dict[str, Any] | None = None
        self._query_args: dict[str, list[str | bool]] | None = None
        self.task: asyncio.Task[None] | None = None
        # The request's body.
        self.request_side = RequestSide.DONE if head.body is None else RequestSide.BODY
        self.body_pieces: list[bytes] = []
        self.body_size = 0
        self.is_streaming = False  # pieces go to the target as they come
        self.replayable = True  # everything sent so far can be sent again
        self.request_body: bytes | None = None
        self.continue_with: Callable[[], None] | None = None  # the stage that waits for the body
        # The target.
        self.balancer: Balancer | None = None
        self.peer: Peer | None = None
        self.target: TargetConnection | None = None
        self.tried: list[Peer] = []
        self.tries: list[dict[str, Any]] = []
        self.tries_left = 0
        self.wait = Wait.NOBODY
        # The response.
        self.response_side = ResponseSide.WAITING
        self.response_chunked = False
        self.reply_bodyless = head.method == b"HEAD"
        self.status = 0
        self.upstream_status: int | None = None
        self.proxied = False
        # What it took; moments are of the monotonic clock, 0 stands for "not yet".
        self.sent_at = 0.0
        self.answered_at = 0.0
        self.ended_at = 0.0
        self.request_size = head.size
        self.response_size = 0

    # ---- From the client's bytes to the target's

    def begin(self, body: bytes) -> None:
        """Start with a complete head and what has arrived of the body."""
        if self.client.trusted:
            self.client_ip = real_ip(self.client_ip, self.head.headers, self.gateway.options)
        if self.request_side == RequestSide.BODY:
            if self._announces_too_much():
                return self.fail(failures.BODY_TOO_LARGE)
            if body:
                self.on_client_data(body)
        if self.response_side == ResponseSide.WAITING:
            self.run_rewrite(0)

    def _announces_too_much(self) -> bool:
        limit = self.gateway.options.client_max_body_size
        body = self.head.body
        return bool(limit) and isinstance(body, LengthBody) and body.remaining > limit

    def run_rewrite(self, position: int) -> None:
        """Run the global steps that come before routing."""
        steps = self.snapshot.rewrite
        if steps:
            self.run_steps(steps, position, self.run_rewrite, self.match_route)
        else:
            self.match_route()

    def match_route(self) -> None:
        """Find the route, and refuse what it doesn't take."""
        head = self.head
        path = normalize(head.path)
        if path is None:
            return self.fail(failures.BAD_TARGET)
        self.path_bytes = path
        match = self.snapshot.router.match(
            head.method, head.host or b"", path, self.client.facts, head.headers, head.query
        )
        if match is None:
            return self.fail(failures.NO_ROUTE)
        route = match.value
        self.match = match
        self.compiled_route = route
        self.compiled_service = route.service
        self.prefix = match.prefix
        self.upstream_path = match.upstream_path
        self.chain = route.chain
        if route.needs_https and self.forwarded_scheme != "https":
            return self.answer(self._https_reply(route))
        if route.grpc:
            return self.fail(
                failures.NEEDS_HTTP2 if is_grpc(self.headers.get("content-type")) else failures.NOT_GRPC
            )
        if self.chain.needs_request_body and self.request_side == RequestSide.BODY:
            return self._wait_for_body(self._show_body)
        if self.chain.needs_request_body:
            self._show_body()
        else:
            self.run_access(0)

    def _show_body(self) -> None:
        """Let the plugins see the body, unless it outgrew its buffer."""
        if self.request_side == RequestSide.DONE:
            self.request_body = b"".join(self.body_pieces)
        self.run_access(0)

    def run_access(self, position: int) -> None:
        """Run the chain's access steps; any may answer or wait."""
        steps = self.chain.access
        if steps:
            self.run_steps(steps, position, self.run_access, self.prepare_body)
        else:
            self.prepare_body()

    def run_steps(
        self,
        steps: tuple[Callable[[Any], Any], ...],
        position: int,
        resume: Callable[[int], None],
        after: Callable[[], None],
    ) -> None:
        """Call steps one after the other until one answers or waits, then go on to ``after``."""
        is_access = steps is self.chain.access
        while position < len(steps):
            self.position = position
            try:
                result = steps[position](self)
            except Exception:  # noqa: BLE001 - a plugin may raise anything
                self.gateway.log_bug("a plugin failed", self)
                return self.fail(failures.PLUGIN_ERROR)
            position += 1
            if result is None:
                if is_access:
                    steps = self.chain.access  # authenticate() may have changed the chain
            elif isinstance(result, Reply):
                return self.answer(result)
            else:
                return self.suspend(result, lambda: resume(position))
        after()

    def suspend(self, awaitable: Awaitable[Any], then: Callable[[], None]) -> None:
        """Wait for something on behalf of this request: the only task that a request can cause."""
        self.wait = Wait.NOBODY
        self.client.deadline = _NEVER
        self.task = asyncio.ensure_future(self._resume_after(awaitable, then))

    async def _resume_after(self, awaitable: Awaitable[Any], then: Callable[[], None]) -> None:
        try:
            result = await awaitable
        except Exception:  # noqa: BLE001 - a plugin may raise anything
            self.gateway.log_bug("a plugin failed", self)
            result = failures.PLUGIN_ERROR
        self.task = None
        if self.response_side != ResponseSide.WAITING:
            return
        if isinstance(result, Reply):
            self.guarded(self.answer, result)
        elif isinstance(result, Failure):
            self.guarded(self.fail, result)
        else:
            self.guarded(then)

    def prepare_body(self) -> None:
        """Decide how the request's body travels: whole and repeatable, or as it comes."""
        service, route = self.compiled_service, self.compiled_route
        if service is None or route is None:
            return self.fail(failures.NO_SERVICE)
        self.tries_left = service.retries
        head = self.head
        self.wants_upgrade = head.upgrade is not None and head.upgrade.lower() == b"websocket"
        if self.request_side == RequestSide.DONE:
            return self.pick()
        if not route.request_buffering:
            self._start_streaming()
            return self.pick()
        self._wait_for_body(self.pick)

    def _wait_for_body(self, then: Callable[[], None]) -> None:
        """Go on with ``then`` when the body is complete or has outgrown its buffer."""
        self._invite_body()
        self.continue_with = then
        self.wait = Wait.CLIENT_BODY
        self.client.deadline = self.gateway.now + self.gateway.options.client_body_timeout

    def _invite_body(self) -> None:
        if self.head.wants_continue:
            self.head.wants_continue = False
            self.client.write(CONTINUE)

    def _start_streaming(self) -> None:
        self.is_streaming = True
        self._invite_body()

    def pick(self) -> None:
        """Ask the balancer for a peer."""
        service = self.compiled_service
        assert service is not None
        balancer = self._balancer_for(service)
        key = b""
        if service.hash_key is not None:
            hash_key = service.hash_key(self)
            key = hash_key.value
            if hash_key.cookie is not None and not self.tried:
                self.add_response_header("Set-Cookie", hash_key.cookie.header_value)
        peer = balancer.pick(key, self.tried)
        if peer is not None:
            self.peer = peer
            return self.connect(peer)
        waiting = balancer.waiting
        if waiting is not None:
            return self.suspend(asyncio.shield(waiting), self.pick)
        if self.tried:
            return self.fail(failures.NO_PEER_ON_RETRY)
        self.fail(_NO_PEER_FAILURES[balancer.error], balancer.error_detail)

    def _balancer_for(self, service: CompiledService) -> Balancer:
        request = self.upstream_request
        upstreams = self.gateway.runtime.upstreams
        if request is not None and request.target is not None:
            balancer = upstreams.find(*request.target)
        else:
            key = service.balancer_key
            balancer = upstreams.for_upstream(key[1]) if len(key) == 2 else upstreams.for_host(key[1], key[2])
        self.balancer = balancer
        return balancer

    def connect(self, peer: Peer) -> None:
        """Take an idle connection to the peer, or dial."""
        assert self.balancer is not None
        assert self.compiled_service is not None
        self.balancer.began(peer)
        self.sent_at = monotonic()
        host = self._upstream_host(peer)
        target = self.gateway.take_connection(self, peer, host)
        if target is not None:
            self.target = target
            return self.forward(target)
        self.wait = Wait.CONNECT
        self.client.deadline = self.gateway.now + self.compiled_service.connect_timeout_s
        self.target = self.gateway.dial(self, peer, host)

    def _upstream_host(self, peer: Peer) -> bytes:
        """Return the Host that the target sees: the client's own, a plugin's, or the balancer's."""
        request, route = self.upstream_request, self.compiled_route
        if request is not None and request.host is not None:
            return request.host.encode("latin-1", "replace")
        if route is not None and route.preserve_host and self.head.host:
            return self.head.host
        service = self.compiled_service
        return peer.host_header if service is None or service.tls is None else peer.host_header_tls

    def on_connected(self, target: TargetConnection) -> None:
        """A dialled connection is ready."""
        if target is self.target and self.response_side == ResponseSide.WAITING:
            self.forward(target)

    def forward(self, target: TargetConnection) -> None:
        """Send the head, and the body as far as it is there."""
        assert self.peer is not None
        assert self.compiled_service is not None
        request = self.upstream_request
        pieces: list[bytes] = self.body_pieces
        if request is not None and request.body is not None:
            pieces = [request.body]
            framing = b"\r\nContent-Length: %d" % len(request.body)
        elif self.is_streaming and self.request_side == RequestSide.BODY:
            framing, pieces = self._stream_framing(pieces)
        elif self.head.body is None and b"content-length" not in self.head.special:
            framing = b""
        else:
            framing = b"\r\nContent-Length: %d" % self.body_size
        head = request_head(self, self._upstream_host(self.peer), framing)
        target.begin(self, self.head.method == b"HEAD")
        if not pieces:
            target.write(head)
        elif self.body_size <= _JOIN_LIMIT_BYTES:
            target.write(b"".join((head, *pieces)))
        else:
            target.write(head)
            for piece in pieces:
                target.write(piece)
        if self.is_streaming:
            self.body_pieces = []
            self.client.resume_reading()
        self._await_next()

    def _stream_framing(self, pieces: list[bytes]) -> tuple[bytes, list[bytes]]:
        """Return the framing of a body that is still coming, and what of it goes with the head."""
        if pieces:
            self.replayable = False
        body = self.head.body
        if isinstance(body, LengthBody):
            return b"\r\nContent-Length: %d" % (self.body_size + body.remaining), pieces
        return b"\r\nTransfer-Encoding: chunked", chunks(pieces)

    def _await_next(self) -> None:
        """Set the deadline for what must come next, now that the target has what we have."""
        service = self.compiled_service
        assert service is not None
        target = self.target
        if self.request_side == RequestSide.DONE:
            self.wait = Wait.TARGET_ANSWERS
            self.client.deadline = self.gateway.now + service.read_timeout_s
        elif target is not None and target.is_full:
            self.wait = Wait.TARGET_READS
            self.client.deadline = self.gateway.now + service.write_timeout_s
        else:
            self.wait = Wait.CLIENT_BODY
            self.client.deadline = self.gateway.now + self.gateway.options.client_body_timeout

    # ---- The request's body

    def on_client_data(self, data: bytes) -> None:
        """More of the request's body has come."""
        body = self.head.body
        assert body is not None
        try:
            pieces = body.feed(data)
        except BadBody as error:
            self.gateway.log.info("client %s: bad body: %s", self.client.peer_ip, error)
            self._move_request(RequestSide.ABORTED)
            return self.fail(failures.BAD_BODY)
        size = sum(map(len, pieces))
        self.body_size += size
        self.request_size += len(data)
        if body.done:
            self._move_request(RequestSide.DONE)
            self.client.keep_rest(body.rest)
        if self.response_side in (ResponseSide.DONE, ResponseSide.ABORTED) or self.status:
            return self._swallow(body.done)
        limit = self.gateway.options.client_max_body_size
        if limit and self.body_size > limit:
            return self.fail(failures.BODY_TOO_LARGE)
        if self.is_streaming and self.target is not None and self.target.is_ours(self):
            self._stream(pieces, body.done)
        else:
            self._hold(pieces, body.done)

    def _stream(self, pieces: list[bytes], is_last: bool) -> None:
        target = self.target
        assert target is not None
        self.replayable = False
        if isinstance(self.head.body, ChunkedBody):
            pieces = chunks(pieces)
            if is_last:
                pieces.append(last_chunk(self.head.body.trailers))
        if len(pieces) == 1:
            target.write(pieces[0])
        elif pieces:
            target.write(b"".join(pieces))
        if target.is_full:
            self.client.pause_reading()
        self._await_next()

    def _hold(self, pieces: list[bytes], is_last: bool) -> None:
        self.body_pieces += pieces
        if self.is_streaming:
            if self.body_size > _UNSENT_LIMIT_BYTES:
                self.client.pause_reading()
            return
        self.client.deadline = self.gateway.now + self.gateway.options.client_body_timeout
        then = self.continue_with
        if then is None:
            return
        limit = self.gateway.options.client_body_buffer_size
        if self.chain.needs_request_body:
            limit = max(limit, _PLUGIN_BODY_LIMIT_BYTES)
        if is_last:
            self.continue_with = None
            then()
        elif self.body_size > limit:
            self.continue_with = None
            self._start_streaming()
            then()

    def _swallow(self, is_last: bool) -> None:
        """Take what still comes of a request that was answered already."""
        if is_last and self.response_side == ResponseSide.DONE:
            self.finish()

    def on_target_writable(self) -> None:
        """The target takes more of the body again."""
        self.client.resume_reading()
        if self.response_side == ResponseSide.WAITING:
            self._await_next()

    def on_target_full(self) -> None:
        """The target takes no more for now."""
        if self.is_streaming and self.request_side == RequestSide.BODY:
            self.client.pause_reading()
            self._await_next()

    # ---- From the target's bytes to the client's

    def on_response(self, response: ResponseHead, pieces: list[bytes], is_last: bool) -> None:
        """The target's head has come, with what has come of its body."""
        self.answered_at = monotonic()
        self.proxied = True
        self.status = self.upstream_status = response.status
        self._note_success(response.status)
        if response.status == 101:
            return self._open_tunnel(response, b"".join(pieces))
        self._move_response(ResponseSide.STARTED)
        framing = self._response_framing(response)
        head = proxied_head(self, response, framing)
        if is_last and self.chain.body_filter:
            pieces = self._filter_body(pieces, True)
        elif self.chain.body_filter:
            pieces = self._filter_body(pieces, False)
        self._send(head, pieces, is_last)
        if is_last:
            self._end_response()
        else:
            self.wait = Wait.TARGET_ANSWERS
            self.touch_response_deadline()

    def _response_framing(self, response: ResponseHead) -> bytes:
        """Decide how the client learns where the body ends, and whether its connection goes on."""
        client, head = self.client, self.head
        keep_alive = head.keep_alive and client.may_persist() and self.request_side == RequestSide.DONE
        length = response.length
        if response.body is not None and (self.chain.changes_body or length is None):
            length = None
            if head.minor:
                self.response_chunked = True
            else:
                keep_alive = False
        elif response.status < 200 or response.status == 204:
            length = None
        client.keep_alive = keep_alive
        persistence = b"\r\nConnection: keep-alive" if keep_alive else b"\r\nConnection: close"
        if self.response_chunked:
            trailer = response.special.get(b"trailer")
            if trailer is not None and self._wants_trailers():
                return b"\r\nTrailer: " + trailer + b"\r\nTransfer-Encoding: chunked" + persistence
            return b"\r\nTransfer-Encoding: chunked" + persistence
        if length is None:
            return persistence
        return b"\r\nContent-Length: %d" % length + persistence

    def _wants_trailers(self) -> bool:
        te = self.head.special.get(b"te")
        return te is not None and b"trailers" in te.lower()

    def _filter_body(self, pieces: Iterable[bytes], is_last: bool) -> list[bytes]:
        """Run the body_filter steps over what has come."""
        chunk = b"".join(pieces)
        for step in self.chain.body_filter:
            changed = step(self, chunk, is_last)
            if changed is not None:
                chunk = changed
        return [chunk] if chunk else []

    def _send(self, head: bytes, pieces: list[bytes], is_last: bool) -> None:
        """Write the head and what there is of the body, in one write where it is small."""
        if self.reply_bodyless:
            pieces = []
        elif self.response_chunked:
            pieces = chunks(pieces)
            if is_last:
                pieces.append(self._last_chunk())
        client = self.client
        size = sum(map(len, pieces)) if pieces else 0
        if size > _JOIN_LIMIT_BYTES:
            client.write(head)
            client.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        else:
            client.write(b"".join((head, *pieces)) if pieces else head)
        self.response_size += len(head) + size

    def _last_chunk(self) -> bytes:
        target = self.target
        trailers = target.trailers() if target is not None and self._wants_trailers() else b""
        return last_chunk(trailers)

    def on_response_body(self, pieces: list[bytes], is_last: bool) -> None:
        """More of the target's body has come."""
        if self.chain.body_filter:
            pieces = self._filter_body(pieces, is_last)
        if self.reply_bodyless:
            pieces = []
        elif self.response_chunked:
            pieces = chunks(pieces)
            if is_last:
                pieces.append(self._last_chunk())
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.client.write(data)
            self.response_size += len(data)
        if is_last:
            self._end_response()
        else:
            self.touch_response_deadline()

    def touch_response_deadline(self) -> None:
        """Something moved: start the time for the next move anew."""
        service = self.compiled_service
        if self.client.is_full or service is None:
            self.wait = Wait.CLIENT_READS
            self.client.deadline = self.gateway.now + self.gateway.options.send_timeout
        else:
            self.wait = Wait.TARGET_ANSWERS
            self.client.deadline = self.gateway.now + service.read_timeout_s

    def on_client_full(self) -> None:
        """The client takes no more for now: the target must wait."""
        if self.target is not None and self.response_side == ResponseSide.STARTED:
            self.target.pause_reading()
            self.touch_response_deadline()

    def on_client_writable(self) -> None:
        """The client takes more again."""
        if self.target is not None and self.response_side == ResponseSide.STARTED:
            self.target.resume_reading()
            self.touch_response_deadline()

    def _open_tunnel(self, response: ResponseHead, early: bytes) -> None:
        """The target has agreed to another protocol: from here on bytes pass both ways."""
        target, service = self.target, self.compiled_service
        if not self.wants_upgrade or target is None or service is None:
            return self.on_target_failed(failures.INVALID_RESPONSE, "switched protocols without being asked")
        self._move_response(ResponseSide.TUNNEL)
        head = proxied_head(
            self,
            response,
            b"\r\nConnection: Upgrade\r\nUpgrade: " + response.special.get(b"upgrade", b"websocket"),
        )
        self.client.write(head + early)
        self.response_size += len(head) + len(early)
        self.client.deadline = _NEVER
        Tunnel(self, self.client, target, min(service.read_timeout_s, service.write_timeout_s)).open()

    # ---- Answers of the gateway itself

    def fail(self, failure: Failure, detail: str = "") -> None:
        """Answer with a failure; nothing has been sent to the client yet."""
        if failure.source is not Source.CLIENT:
            self.gateway.log_failure(self, failure, detail)
        headers = self.head.headers
        accept = headers.get(b"accept")
        accept_text = accept.decode("latin-1") if accept is not None else None
        content_type = headers.get(b"content-type")
        type_text = content_type.decode("latin-1") if content_type is not None else None
        extra = _FAILURE_HEADERS.get(failure.name, ())
        if failure.generic:
            reply = server_error(
                failure.status,
                failure.message,
                accept=accept_text,
                content_type=type_text,
                default_type=self.gateway.options.error_default_type,
                request_id=self.request_id,
                headers=extra,
            )
        else:
            reply = error_reply(
                failure.status,
                failure.message,
                accept=accept_text,
                request_id=self.request_id,
                headers=extra,
                grpc=is_grpc(type_text),
            )
        if failure is failures.BODY_TOO_LARGE or failure is failures.BAD_BODY:
            self.head.keep_alive = False
        if self.tried:
            # Kong counts what comes behind the balancer as proxied, whoever words the answer.
            self.answered_at = monotonic()
            reply = Reply(reply.status, reply.body, reply.headers, proxied=True)
        self.answer(reply)

    def answer(self, reply: Reply) -> None:
        """Send a reply of the gateway's or a plugin's own."""
        if self.response_side != ResponseSide.WAITING:
            return
        self._move_response(ResponseSide.STARTED)
        self.continue_with = None
        if reply.proxied and not self.tried:
            self.sent_at = self.answered_at = monotonic()
            self.proxied = True
        self.status = reply.status
        body = reply.body
        if self.chain.body_filter:
            filtered = self._filter_body([body] if body else [], True)
            body = filtered[0] if filtered else b""
        client = self.client
        client.keep_alive = (
            self.head.keep_alive
            and client.may_persist()
            and not self.head.wants_continue
            and self.request_side != RequestSide.ABORTED
        )
        persistence = b"\r\nConnection: keep-alive" if client.keep_alive else b"\r\nConnection: close"
        has_length = reply.status >= 200 and reply.status not in (204, 304)
        framing = (b"\r\nContent-Length: %d" % len(body) if has_length else b"") + persistence
        head = reply_head(self, reply, framing)
        if self.reply_bodyless or not has_length:
            body = b""
        client.write(head + body)
        self.response_size += len(head) + len(body)
        self._end_response()

    def _https_reply(self, route: CompiledRoute) -> Reply:
        """Send the client to https, in the way that the route says (Kong's https_redirect_status_code)."""
        if route.redirect_status == 426:
            return error_reply(
                426,
                "Please use HTTPS protocol",
                accept=self.headers.get("accept"),
                request_id=self.request_id,
                headers=(("Connection", "Upgrade"), ("Upgrade", "TLS/1.2, HTTP/1.1")),
            )
        location = f"https://{self.forwarded_host}{self.head.target.decode('latin-1')}"
        title = f"{route.redirect_status} {_REDIRECT_TITLES[route.redirect_status]}"
        page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        return Reply(
            route.redirect_status, page.encode(), (("Content-Type", "text/html"), ("Location", location))
        )

    # ---- What goes wrong

    def on_target_failed(self, failure: Failure, detail: str) -> None:
        """The target could not be reached, went away, or answered nonsense."""
        target, peer = self.target, self.peer
        was_reused = target is not None and target.was_reused
        is_connect = failure in (failures.CONNECT_FAILED, failures.CONNECT_TIMEOUT)
        if target is not None:
            target.abandon()
            self.target = None
        if self.response_side == ResponseSide.STARTED:
            self._note_try(failure, detail, None)
            self.gateway.log_failure(self, failure, detail)
            return self._break_off()
        if self.response_side != ResponseSide.WAITING or peer is None:
            return None
        is_stale = was_reused and failure is failures.TARGET_CLOSED
        may_repeat = is_connect or (self.replayable and self.head.method not in _NOT_IDEMPOTENT)
        if not is_stale:
            self._note_try(failure, detail, failure.lesson)
            self.tried.append(peer)
        elif self.balancer is not None:
            self.balancer.ended(peer, None)
            if not may_repeat:
                self.tried.append(peer)
        self.peer = None
        if failure.retryable and may_repeat and (is_stale or self.tries_left > 0):
            if not is_stale:
                self.tries_left -= 1
            self.gateway.log_retry(self, peer, failure, detail)
            return self.pick()
        return self.fail(failure, detail)

    def _note_try(self, failure: Failure, detail: str, lesson: Lesson | None) -> None:
        peer, balancer = self.peer, self.balancer
        if peer is None or balancer is None:
            return
        self.tries.append(self._try_record(peer) | {"state": "failed", "code": failure.status})
        balancer.ended(peer, None)
        if lesson is Lesson.TIMEOUT:
            balancer.report_timeout(peer)
        elif lesson is Lesson.TCP:
            balancer.report_tcp_failure(peer)
        self.peer = None

    def _note_success(self, status: int) -> None:
        peer, balancer = self.peer, self.balancer
        if peer is not None and balancer is not None:
            balancer.ended(peer, self.answered_at - self.sent_at)
            balancer.report_status(peer, status)
            if self.chain.log:
                self.tries.append(self._try_record(peer))
            self.peer = None

    def _try_record(self, peer: Peer) -> dict[str, Any]:
        start = self.gateway.wall_clock(self.sent_at)
        return {
            "balancer_start": int(start * 1000),
            "balancer_start_ns": int(start * 1e9),
            "balancer_latency": 0,
            "balancer_latency_ns": 0,
            "ip": peer.ip,
            "port": peer.port,
        }

    def on_deadline(self) -> None:
        """Whoever we were waiting for took too long."""
        wait = self.wait
        self.client.deadline = _NEVER
        if self.response_side == ResponseSide.DONE:
            self._break_off_lingering()
        elif wait == Wait.CONNECT:
            self.on_target_failed(failures.CONNECT_TIMEOUT, "no connection in time")
        elif wait == Wait.TARGET_READS:
            self.on_target_failed(failures.WRITE_TIMEOUT, "it does not take the request's body")
        elif wait == Wait.TARGET_ANSWERS:
            self.on_target_failed(failures.READ_TIMEOUT, "no answer in time")
        elif wait == Wait.CLIENT_READS:
            self.gateway.log.info("client %s does not take its response", self.client.peer_ip)
            self._break_off()
        elif wait == Wait.CLIENT_BODY:
            self._drop_target()
            self.head.keep_alive = False
            self.fail(failures.CLIENT_TIMEOUT)

    def on_client_gone(self) -> None:
        """The client closed its connection; nobody is there to answer."""
        if self.response_side == ResponseSide.TUNNEL:
            return  # the tunnel has seen it and ends itself
        if self.response_side not in (ResponseSide.DONE, ResponseSide.ABORTED):
            self.status = self.status or failures.CLIENT_GONE.status
            self._move_response(ResponseSide.ABORTED)
        if self.task is not None:
            self.task.cancel()
            self.task = None
        self._drop_target()
        self.finish()

    def crash(self) -> None:
        """A bug of ours: one traceback in the log, one 500, no other connection touched."""
        self.gateway.log_bug("an exchange failed", self)
        self._drop_target()
        if self.response_side == ResponseSide.WAITING:
            self.chain = Chain(log=self.chain.log)
            self.fail(failures.INTERNAL_ERROR)
        elif self.response_side == ResponseSide.STARTED:
            self._break_off()

    def guarded(self, stage: Callable[..., None], *arguments: Any) -> None:
        """Run a stage on behalf of a connection; nothing it raises gets out."""
        try:
            stage(*arguments)
        except Exception:  # noqa: BLE001 - the containment boundary
            self.crash()

    def _break_off(self) -> None:
        """End a response that cannot be completed in the only honest way: close the connection."""
        self._move_response(ResponseSide.ABORTED)
        self._drop_target()
        self.client.abort()
        self.finish()

    def _break_off_lingering(self) -> None:
        self.client.keep_alive = False
        self.finish()

    def _drop_target(self) -> None:
        peer, balancer = self.peer, self.balancer
        if peer is not None and balancer is not None:
            balancer.ended(peer, None)
            self.peer = None
        if self.target is not None:
            self.target.abandon()
            self.target = None

    # ---- The end

    def _end_response(self) -> None:
        """The response is complete; the exchange is when the request is, too."""
        self._move_response(ResponseSide.DONE)
        target = self.target
        if target is not None:
            self.target = None
            if self.request_side == RequestSide.DONE:
                target.release()
            else:
                target.abandon()
        if self.request_side == RequestSide.BODY and not self.head.wants_continue:
            self.body_pieces = []
            self.client.resume_reading()
            self.client.deadline = self.gateway.now + _LINGER_S
            return
        self.finish()

    def on_tunnel_closed(self, sent_bytes: int) -> None:
        """A tunnel has ended."""
        self._move_response(ResponseSide.DONE)
        self.response_size += sent_bytes
        self.target = None
        self.client.keep_alive = False
        self.finish()

    def finish(self) -> None:
        """Log, count, and let the client's connection go on."""
        self.ended_at = monotonic()
        for step in self.chain.log:
            try:
                step(self)
            except Exception:  # noqa: BLE001 - the remaining log steps are skipped, as in Kong
                self.gateway.log_bug("a plugin's log step failed", self)
                break
        self.gateway.exchange_ended(self)
        self.client.exchange_ended()

    # ---- The half machines

    def _move_request(self, state: RequestSide) -> None:
        assert state in REQUEST_MOVES[self.request_side], (self.request_side, state)
        self.request_side = state

    def _move_response(self, state: ResponseSide) -> None:
        assert state in RESPONSE_MOVES[self.response_side], (self.response_side, state)
        self.response_side = state


_NO_PEER_FAILURES = {
    NoPeer.NO_AVAILABLE_PEER: failures.NO_PEER,
    NoPeer.NAME_NOT_FOUND: failures.NAME_UNKNOWN,
    NoPeer.DNS_FAILED: failures.NAME_ERROR,
}
_FAILURE_HEADERS: dict[str, tuple[tuple[str, str], ...]] = {
    failures.NEEDS_HTTP2.name: (("connection", "Upgrade"), ("upgrade", "HTTP/2")),
}
_REDIRECT_TITLES = {
    301: "Moved Permanently",
    302: "Found",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}
