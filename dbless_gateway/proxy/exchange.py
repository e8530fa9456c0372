"""One request and its response, from match to log. Read this first: the stages stand here in their order.

    begin -> rewrite -> match -> access -> body -> pick -> connect -> forward
          -> (hold -> response) -> response head -> response body -> finish

Each stage is a method whose last line calls the next. Most requests run from ``begin`` to ``forward`` in one go,
inside the client connection's ``data_received``, and from the response's head to ``finish`` in one go inside the
target's.

Rules of the file:
1. No task and no coroutine for a request whose plugins don't wait; ``suspend`` is the one place that makes one.
2. Connections never call each other. They call the ``on_...`` methods here, through ``guarded``, so an exception
   is one logged traceback and one 500 and never kills the connection in whose callback it happened to run.
3. An exchange reads ``gateway.snapshot`` once and never sees two configurations.
4. What goes wrong is a row of ``failures.py``, handed to ``fail``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from dbless_gateway.http1.request_head import RequestHead
from dbless_gateway.http1.response_head import NO_BODY, ResponseHead
from dbless_gateway.pdk.errors import is_grpc
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.answers import failure_reply, https_redirect
from dbless_gateway.proxy.client_address import real_ip
from dbless_gateway.proxy.failures import Failure, Source
from dbless_gateway.proxy.forwarding import request_head, server_name
from dbless_gateway.proxy.framing import chunked, may_gain_body, response_framing
from dbless_gateway.proxy.holding import HeldResponse
from dbless_gateway.proxy.lifecycle import REQUEST_MOVES, RESPONSE_MOVES, RequestSide, ResponseSide, Wait
from dbless_gateway.proxy.responding import names_connection, proxied_head, reply_head, reply_lines
from dbless_gateway.proxy.trying import Trying
from dbless_gateway.proxy.tunnel import Tunnel
from dbless_gateway.proxy.upload import Upload
from dbless_gateway.routing.paths import normalize
from dbless_gateway.runtime.balancer import Balancer, NoPeer
from dbless_gateway.runtime.peer import Peer
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plan import CompiledRoute, CompiledService
from dbless_gateway.snapshot.steps import Chain

if TYPE_CHECKING:
    from dbless_gateway.proxy.downstream import ClientConnection
    from dbless_gateway.proxy.gateway import Gateway
    from dbless_gateway.proxy.upstream import TargetConnection

# Below this size, joining head and body into one write is cheaper than a second system call (about 6 us).
_JOIN_LIMIT_BYTES: Final = 32768
# How long the rest of a request is swallowed after its answer, so that the client reads the answer (RFC 9112
# section 9.6).
_LINGER_S: Final = 5.0

_NEVER: Final = float("inf")
_NOTHING: Final[list[bytes]] = []  # never changed
# Members of enumerations, found without asking their class: the hot path does so several times per request.
_REQUEST_DONE: Final = RequestSide.DONE
_WAITING: Final = ResponseSide.WAITING
_STARTED: Final = ResponseSide.STARTED
_DONE: Final = ResponseSide.DONE
_NOBODY: Final = Wait.NOBODY
_TARGET_ANSWERS: Final = Wait.TARGET_ANSWERS


class Exchange(Trying):
    """See the module. Attributes are grouped by what they are about."""

    __slots__ = (
        "failure",
        "hash_input",
        "request_side",
        "response_chunked",
        "response_side",
        "snapshot",
        "target",
        "task",
        "wait",
        "wants_upgrade",
    )

    def __init__(self, gateway: Gateway, client: ClientConnection, head: RequestHead) -> None:
        # Types stand here only where no base class has them: what is declared twice, the compiled build's
        # collector counts twice, and then it clears objects that are in use.
        self.gateway = gateway
        self.client = client
        self.snapshot: Snapshot | None = gateway.snapshot  # pinned until the route is known
        self.head = head
        self.started = monotonic()
        self.request_id_bytes = gateway.next_request_id()
        # Where it goes.
        self.path_bytes = self.upstream_path = head.path
        self.prefix = None
        self.host_name = client.host_name if head.host == client.host else client.name_of(head.host)
        self.match = None
        self.compiled_route = None
        self.compiled_service = None
        self.upstream_request = None
        self.wants_upgrade = False
        # Who it is.
        self.client_ip = client.peer_ip
        self.consumer = None
        self.credential = None
        self.identity_block = None
        # The plugins.
        self.chain = gateway.snapshot.global_chain
        self.position = 0
        self.pending_headers = None
        self.response_view = None
        self.sent_block = b""  # the response's lines, as header_filter left them
        self._shared = None
        self._query_args = None
        self.task: asyncio.Task[None] | None = None
        # The request's body.
        self.upload = None
        self.request_side = _REQUEST_DONE
        # The target.
        self.balancer = None
        self.peer = None
        self.target: TargetConnection | None = None
        self.tried = ()
        self._tries = None
        self.tries_left = 0
        self.retrying = None  # only where the upstream has conditions of its own
        self.hash_input: bytes | None = None
        self.new_cookie = None  # to be set by the response
        self.wait = _NOBODY
        # The response.
        self.response_side = _WAITING
        self.response_chunked = False
        self.status = 0
        self.failure: Failure | None = None  # what went wrong, unless the client did it
        self.upstream_status = None
        # What it took; moments are of the monotonic clock, 0 stands for "not yet".
        self.sent_at = self.answered_at = self.ended_at = 0.0
        self.response_size = 0
        if head.body is not None:
            self.upload = Upload(self, head.body, head.wants_continue)
            self.request_side = RequestSide.BODY

    # ---- From the client's bytes to the target's

    def begin(self, body: bytes) -> None:
        """Start with a complete head and what has arrived of the body."""
        if self.client.trusted:
            self.client_ip = real_ip(self.client_ip, self.head.headers, self.gateway.options)
            if self.client_ip != self.client.peer_ip:
                # Whatever header said so: the forwarded headers cannot be those of the connection.
                self.head.special[b":client-ip"] = b""
        upload = self.upload
        if upload is not None:
            if upload.announces_more_than(self.gateway.options.client_max_body_size):
                self.break_off_request(failures.BODY_TOO_LARGE)
            if body and not self.client.closed:
                upload.feed(body)
            if self.response_side is not ResponseSide.WAITING:
                return
        self.run_rewrite(0)

    def run_rewrite(self, position: int) -> None:
        """Run the global steps that come before routing."""
        snapshot = self.snapshot
        assert snapshot is not None
        if snapshot.rewrite:
            self.run_steps(snapshot.rewrite, position, self.run_rewrite, self.match_route)
        else:
            self.match_route()

    def match_route(self) -> None:
        """Find the route, and refuse what it doesn't take."""
        head, snapshot = self.head, self.snapshot
        assert snapshot is not None
        path = normalize(head.path)
        if path is None:
            return self.fail(failures.BAD_TARGET)
        self.path_bytes = path
        match = snapshot.router.match(
            head.method, head.host or b"", path, self.client.facts, head, head.query
        )
        self.snapshot = None
        if match is None:
            return self.fail(failures.NO_ROUTE)
        self.match = match
        route = self.compiled_route = match.value
        self.compiled_service = route.service
        self.prefix = match.prefix
        self.upstream_path = match.upstream_path
        chain = self.chain = route.chain
        if route.is_restricted and self._refuse_protocol(route):
            return None
        if chain.needs_request_body and self.upload is not None:
            return self.upload.wait(self.start_access)
        if chain.access:
            return self.run_access(0)
        return self.prepare_body()

    def _refuse_protocol(self, route: CompiledRoute) -> bool:
        """Answer a request whose protocol the route does not take; tell whether that happened."""
        if route.needs_https and self.forwarded_scheme != "https":
            if route.redirect_status == failures.NEEDS_HTTPS.status:
                self.fail(failures.NEEDS_HTTPS)
            else:
                self.answer(https_redirect(self, route.redirect_status))
            return True
        if route.grpc:
            is_call = is_grpc(self.headers.get("content-type"))
            self.fail(failures.NEEDS_HTTP2 if is_call else failures.NOT_GRPC)
            return True
        return False

    def start_access(self) -> None:
        """The body that plugins wanted to see is there, or is too large to be shown."""
        self.run_access(0)

    def run_access(self, position: int) -> None:
        """Run the chain's access steps; any may answer or wait."""
        self.run_steps(self.chain.access, position, self.run_access, self.prepare_body)

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
                return self.suspend(result, partial(resume, position))
        return after()

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
        if self.response_side is not ResponseSide.WAITING:
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
        upgrade = self.head.upgrade
        if upgrade is not None:
            # Never with a body: the two sides could disagree about where it ends and frames begin.
            self.wants_upgrade = upgrade.lower() == b"websocket" and self.upload is None
        upload = self.upload
        if upload is None:
            return self.pick()
        if upload.size > upload.limit_bytes and upload.limit_reply is not None:
            return self.break_off_request(upload.limit_reply)
        if not route.request_buffering and self.request_side is RequestSide.BODY:
            upload.stream()
            return self.pick()
        return upload.wait(self.pick)

    def pick(self) -> None:
        """Ask the balancer for a peer."""
        service = self.compiled_service
        assert service is not None
        gateway, request = self.gateway, self.upstream_request
        if request is not None and request.target is not None:
            balancer = gateway.runtime.upstreams.find(*request.target)
        else:
            key = service.balancer_key
            balancer = gateway.balancers.get(key) or gateway.runtime.upstreams.of_service(key)
        self.balancer = balancer
        if balancer.hash_key is not None and self.hash_input is None:
            # Once per exchange: a cookie that was made up stays the same for every try.
            self.hash_input, self.new_cookie = balancer.hash_key(self)
        peer = self.peer = balancer.pick(self.hash_input or b"", self.tried)
        if peer is not None:
            if self.hash_input is not None and self.new_cookie is None:
                self.new_cookie = balancer.sticky_cookie(self.hash_input, peer)
            return self.connect(peer, balancer, service)
        waiting = balancer.waiting
        if waiting is not None:
            return self.suspend(asyncio.shield(waiting), self.pick)
        if self.tried:
            return self.fail(failures.NO_PEER_ON_RETRY)
        return self.fail(_NO_PEER_FAILURES[balancer.error], balancer.error_detail)

    def connect(self, peer: Peer, balancer: Balancer, service: CompiledService) -> None:
        """Take an idle connection to the peer, or dial."""
        balancer.began(peer)
        if balancer.retry is not None:
            self.begin_try(balancer.retry, balancer)
        self.sent_at = monotonic()
        host = self._upstream_host(peer, service)
        gateway = self.gateway
        key = peer.address if service.tls is None else (peer.address, server_name(host), service.tls.trust)
        target = self.target = gateway.take_connection(key)
        if target is not None:
            return self.forward(target, host)
        self.wait = Wait.CONNECT
        self.client.deadline = gateway.now + service.connect_timeout_s
        if self.retrying is not None:
            self.client.deadline = self.retrying.limit(self.client.deadline)
        self.target = gateway.dial(self, key, peer, host, service.tls)
        return None

    def _upstream_host(self, peer: Peer, service: CompiledService) -> bytes:
        """Return the Host that the target sees: a plugin's, the client's own, or the balancer's."""
        request, route = self.upstream_request, self.compiled_route
        if request is not None and request.host is not None:
            return request.host.encode("latin-1", "replace")
        if route is not None and route.preserve_host and self.head.host:
            return self.head.host
        return peer.host_header if service.tls is None else peer.host_header_tls

    def on_connected(self, target: TargetConnection) -> None:
        """A dialled connection is ready."""
        if target is self.target and self.response_side is ResponseSide.WAITING:
            assert self.peer is not None
            assert self.compiled_service is not None
            self.forward(target, self._upstream_host(self.peer, self.compiled_service))

    def forward(self, target: TargetConnection, host: bytes) -> None:
        """Send the head, and the body as far as it is there."""
        service, upload, request = self.compiled_service, self.upload, self.upstream_request
        assert service is not None
        framing, pieces = b"", _NOTHING
        if request is not None and request.body is not None:
            framing, pieces = b"\r\nContent-Length: %d" % len(request.body), [request.body]
            if upload is not None:
                upload.replace()
        elif upload is not None:
            framing, pieces = upload.framing()
        elif self.head.has_empty_body:
            framing = b"\r\nContent-Length: 0"
        head = request_head(self, host, framing)
        target.begin(self)
        if not pieces:
            target.write(head)
        elif upload is None or upload.size <= _JOIN_LIMIT_BYTES:
            target.write(b"".join((head, *pieces)))
        else:
            target.write(head)
            for piece in pieces:
                target.write(piece)
        if upload is None:
            self.wait = _TARGET_ANSWERS
            self.client.deadline = self.gateway.now + service.read_timeout_s
            if self.retrying is not None:
                self.client.deadline = self.retrying.limit(self.client.deadline)
        else:
            self.client.resume_reading()
            self.await_next()

    def await_next(self) -> None:
        """Set the deadline for what must come next, now that the target has what we have."""
        service, target = self.compiled_service, self.target
        assert service is not None
        if self.request_side is RequestSide.DONE:
            self.wait = Wait.TARGET_ANSWERS
            self.client.deadline = self.gateway.now + service.read_timeout_s
            if self.retrying is not None:
                self.client.deadline = self.retrying.limit(self.client.deadline)
        elif target is not None and target.is_full:
            self.wait = Wait.TARGET_READS
            self.client.deadline = self.gateway.now + service.write_timeout_s
        else:
            self.wait = Wait.CLIENT_BODY
            self.client.deadline = self.gateway.now + self.gateway.options.client_body_timeout

    def on_target_writable(self) -> None:
        """The target takes more of the body again."""
        self.client.resume_reading()
        if self.response_side is ResponseSide.WAITING:
            self.await_next()

    def on_target_full(self) -> None:
        """The target takes no more for now."""
        upload = self.upload
        if upload is not None and upload.is_streaming and self.request_side is RequestSide.BODY:
            self.client.pause_reading()
            self.await_next()

    # ---- From the target's bytes to the client's

    def on_response(self, response: ResponseHead, pieces: list[bytes], is_last: bool) -> None:
        """The target's head has come, with what has come of its body."""
        self.answered_at = monotonic()
        status = self.status = self.upstream_status = response.status
        chain, peer, balancer = self.chain, self.peer, self.balancer
        if peer is not None and balancer is not None:
            if peer.trial_runs:
                # Passed by the head, since a body may take hours; other answers are judged when they end.
                balancer.report_status(peer, status)
            if self.retrying is not None and self._try_elsewhere(peer, balancer, is_last):
                return None
            if chain.log:
                self.note_try(peer)
        if status == 101:
            return self._open_tunnel(response, b"".join(pieces))
        if chain.response:
            return self._hold_response(response, pieces, is_last)
        return self._start_response(response, pieces, is_last)

    def _start_response(self, response: ResponseHead, pieces: list[bytes], is_last: bool) -> None:
        """Write the head and what there is of the body, in one write where it is small."""
        # Runs the header_filter steps, from which body_filter steps learn what the response is.
        head = proxied_head(self, response, response_framing(self, response))
        if self.chain.body_filter:
            pieces = self._filter_body(pieces, is_last)
            if response.body is None and not may_gain_body(self, response):
                pieces = _NOTHING
        # Not before here: what a plugin's bug breaks above can still be answered with a 500.
        assert self.response_side is _WAITING
        self.response_side = _STARTED
        if self.head.is_head:
            pieces = _NOTHING
        elif self.response_chunked:
            pieces = chunked(self, pieces, is_last)
        client = self.client
        if not pieces:
            data = head
        elif len(pieces) == 1 and len(pieces[0]) <= _JOIN_LIMIT_BYTES:
            data = head + pieces[0]
        else:
            client.write(head)
            self.response_size += len(head)
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        client.write(data)
        self.response_size += len(data)
        if is_last:
            return self._end_response()
        return self.touch_response_deadline()

    def _hold_response(self, response: ResponseHead, pieces: list[bytes], is_last: bool) -> None:
        """Send nothing yet: plugins want to see the whole response first."""
        held = self.response_view = HeldResponse(response)
        self.status = 0
        self._hold_body(held, pieces, is_last)

    def _hold_body(self, held: HeldResponse, pieces: list[bytes], is_last: bool) -> None:
        """Hold more of it, until it is complete or too large to be held."""
        target = self.target
        if is_last and target is not None:
            self.target = None
            if self.request_side is _REQUEST_DONE:
                target.release()
            else:
                target.abandon()
        if held.keep(pieces, is_last):
            if not is_last and target is not None:
                target.pause_reading()
            self.run_response(0)
        elif not held.is_shown:
            self.touch_response_deadline()

    def run_response(self, position: int) -> None:
        """Run the response steps; any may answer in the target's place, or wait."""
        self.run_steps(self.chain.response, position, self.run_response, self.release_response)

    def release_response(self) -> None:
        """Send on what was held, as the plugins left it; what has not come yet streams behind it."""
        held = self.response_view
        assert isinstance(held, HeldResponse)
        response, pieces = held.released()
        self.response_view = None
        self.status = response.status
        target = self.target
        if target is not None and held.is_replaced:
            self.target = None
            target.abandon()
        self._start_response(response, pieces, held.is_complete or held.is_replaced)
        if self.target is not None:
            self.target.resume_reading()

    def _try_elsewhere(self, peer: Peer, balancer: Balancer, is_last: bool) -> bool:
        """Drop an answer that the upstream's conditions refuse, if another try is possible; tell whether."""
        retrying, target = self.retrying, self.target
        assert retrying is not None
        if not retrying.is_refused(self.status) or not self.may_try_again(failures.REFUSED_STATUS):
            return False
        self.tries_left -= 1
        self.note_try(peer, self.status)
        self.gateway.log_retry(self, peer, failures.REFUSED_STATUS, f"status {self.status}")
        self.leave_peer()
        self.target = None
        if target is not None:
            if is_last and self.request_side is _REQUEST_DONE:
                target.release()
            else:
                target.abandon()
        self.status, self.upstream_status = 0, None
        self.tried = (*self.tried, peer)
        self.pick()
        return True

    def _filter_body(self, pieces: list[bytes], is_last: bool) -> list[bytes]:
        """Run the body_filter steps over what has come."""
        chunk = b"".join(pieces)
        for step in self.chain.body_filter:
            changed = step(self, chunk, is_last)
            if changed is not None:
                chunk = changed
        return [chunk] if chunk else []

    def on_response_body(self, pieces: list[bytes], is_last: bool) -> None:
        """More of the target's body has come."""
        if self.chain.reads_body:
            held = self.response_view
            if isinstance(held, HeldResponse):
                return self._hold_body(held, pieces, is_last)
            pieces = self._filter_body(pieces, is_last)
        if self.head.is_head:
            pieces = _NOTHING
        elif self.response_chunked:
            pieces = chunked(self, pieces, is_last)
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.client.write(data)
            self.response_size += len(data)
        if is_last:
            return self._end_response()
        return self.touch_response_deadline()

    def touch_response_deadline(self) -> None:
        """Something moved: start the time for the next move anew."""
        client, service = self.client, self.compiled_service
        if client.is_full or service is None:
            self.wait = Wait.CLIENT_READS
            client.deadline = self.gateway.now + self.gateway.options.send_timeout
        else:
            self.wait = Wait.TARGET_ANSWERS
            client.deadline = self.gateway.now + service.read_timeout_s

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
        assert target is not None
        assert service is not None
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
        if self.response_side is not ResponseSide.WAITING:
            return
        if failure.source is not Source.CLIENT:
            self.failure = failure
            self.gateway.log_failure(self, failure, detail)
        reply = failure_reply(self, failure)
        if self.tried:
            # Kong counts what comes behind the balancer as proxied, whoever words the answer.
            self.answered_at = monotonic()
            reply = Reply(reply.status, reply.body, reply.headers, proxied=True)
        self.answer(reply)

    def answer(self, reply: Reply) -> None:
        """Send a reply of the gateway's or a plugin's own."""
        if self.response_side is not ResponseSide.WAITING:
            return
        self._drop_target()
        self.upstream_status = None  # whatever the target said, this is not its answer
        if self.upload is not None:
            self.upload.forget()
        if reply.proxied and not self.tried:
            self.sent_at = self.answered_at = monotonic()
        self.status = reply.status
        body = reply.body
        line, lines = reply_lines(self, reply)
        if self.chain.body_filter:
            body = b"".join(self._filter_body([body] if body else [], True))
        client = self.client
        client.keep_alive = self.head.keep_alive and client.may_persist() and self._can_follow()
        has_length = self.status >= 200 and self.status not in NO_BODY
        framing = b"\r\nContent-Length: %d" % len(body) if has_length else b""
        if not names_connection(reply):
            framing += b"\r\nConnection: keep-alive" if client.keep_alive else b"\r\nConnection: close"
        head = reply_head(self, reply, line, lines, framing)
        if self.head.is_head or not has_length:
            body = b""
        self._move_response(ResponseSide.STARTED)
        client.write(head + body)
        self.response_size += len(head) + len(body)
        self._end_response()

    def _can_follow(self) -> bool:
        """Tell whether another request can come behind this one's body."""
        upload = self.upload
        return upload is None or (self.request_side is not RequestSide.ABORTED and not upload.owes_continue)

    def break_off_request(self, answer: Failure | Reply) -> None:
        """Refuse a request in the middle of its body; nothing that follows can be trusted."""
        self.head.keep_alive = False
        if self.response_side is ResponseSide.STARTED:
            self._break_off()
        elif self.response_side is ResponseSide.DONE:
            self.client.keep_alive = False
            self.finish()
        elif isinstance(answer, Failure):
            self.fail(answer)
        else:
            self.answer(answer)

    # ---- What goes wrong

    def on_target_failed(self, failure: Failure, detail: str) -> None:
        """The target could not be reached, went away, or answered nonsense."""
        target, peer = self.target, self.peer
        was_reused = target is not None and target.was_reused
        if target is not None:
            target.abandon()
            self.target = None
        if self.response_side is ResponseSide.STARTED:
            self.gateway.log_failure(self, failure, detail)
            self.blame_peer(failure)
            return self._break_off()
        if self.response_side is not ResponseSide.WAITING or peer is None:
            return None
        if isinstance(self.response_view, HeldResponse):
            # It had answered, so another try is out of the question.
            self.blame_peer(failure)
            self._stop_waiting()
            return self.fail(failure, detail)
        if was_reused and failure is failures.TARGET_CLOSED:
            return self._repeat_stale(peer, failure, detail)
        self.note_try(peer, failure.status)
        self.blame_peer(failure)
        self.tried = (*self.tried, peer)
        if failure.retryable and self.may_try_again(failure):
            self.tries_left -= 1
            self.gateway.log_retry(self, peer, failure, detail)
            return self.pick()
        return self.fail(failure, detail)

    def _repeat_stale(self, peer: Peer, failure: Failure, detail: str) -> None:
        """A kept connection had been closed: that says nothing of its target, and costs no try (as in Kong)."""
        if self.balancer is not None:
            self.balancer.ended(peer, None)
        self.peer = None
        if self.may_repeat(failure):
            return self.pick()
        self.tried = (*self.tried, peer)
        return self.fail(failure, detail)

    def on_deadline(self) -> None:
        """Whoever we were waiting for took too long."""
        wait = self.wait
        self.client.deadline = _NEVER
        if self.response_side is ResponseSide.DONE:
            self.client.keep_alive = False
            self.finish()
        elif wait is Wait.CONNECT:
            self.on_target_failed(failures.CONNECT_TIMEOUT, "no connection in time")
        elif wait is Wait.TARGET_READS:
            self.on_target_failed(failures.WRITE_TIMEOUT, "it does not take the request's body")
        elif wait is Wait.TARGET_ANSWERS:
            self.on_target_failed(failures.READ_TIMEOUT, "no answer in time")
        elif wait is Wait.CLIENT_READS:
            self.gateway.log.info("client %s does not take its response", self.client.peer_ip)
            self._break_off()
        elif wait is Wait.CLIENT_BODY:
            self.break_off_request(failures.CLIENT_TIMEOUT)

    def on_client_gone(self) -> None:
        """The client closed its connection; nobody is there to answer."""
        if self.response_side is ResponseSide.TUNNEL:
            return  # the tunnel has seen it and ends itself
        if self.response_side is ResponseSide.WAITING:
            self.response_view = None  # one that was held back is nobody's now
        if self.response_side is ResponseSide.WAITING or self.response_side is ResponseSide.STARTED:
            self.status = self.status or failures.CLIENT_GONE.status
            self._move_response(ResponseSide.ABORTED)
        self._stop_waiting()
        self._drop_target()
        self.finish()

    def _stop_waiting(self) -> None:
        """Give up what a plugin waits for."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    def crash(self) -> None:
        """A bug of ours: one traceback in the log, one 500, no other connection touched."""
        self.gateway.log_bug("an exchange failed", self)
        self._drop_target()
        if self.response_side is ResponseSide.WAITING:
            # Without the plugins: it may have been one of them.
            self.chain = Chain(log=self.chain.log)
            self.pending_headers = None
            self.fail(failures.INTERNAL_ERROR)
        elif self.response_side is ResponseSide.STARTED:
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

    def _drop_target(self) -> None:
        self.leave_peer()
        if self.target is not None:
            self.target.abandon()
            self.target = None

    # ---- The end

    def _end_response(self) -> None:
        """The response is complete; the exchange is when the request is, too."""
        assert self.response_side is _STARTED
        self.response_side = _DONE
        target = self.target
        if self.request_side is _REQUEST_DONE:
            if target is not None:
                self.target = None
                target.release()
            return self.finish()
        if target is not None:
            self.target = None
            target.abandon()
        upload = self.upload
        if upload is None or upload.owes_continue or self.request_side is RequestSide.ABORTED:
            return self.finish()
        # Swallow the rest, so that the client reads our answer instead of a reset.
        upload.forget()
        self.client.resume_reading()
        self.client.deadline = self.gateway.now + _LINGER_S
        return None

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
        if self.peer is not None:
            self.leave_peer()
        for step in self.chain.log:
            try:
                step(self)
            except Exception:  # noqa: BLE001 - the remaining log steps are skipped, as in Kong
                self.gateway.log_bug("a plugin's log step failed", self)
                break
        self.gateway.exchange_ended(self)
        self.client.exchange_ended()

    # ---- The half machines

    def move_request(self, state: RequestSide) -> None:
        """Change the request's half; asserts that the table allows it."""
        assert state in REQUEST_MOVES[self.request_side], (self.request_side, state)
        self.request_side = state

    def _move_response(self, state: ResponseSide) -> None:
        assert state in RESPONSE_MOVES[self.response_side], (self.response_side, state)
        self.response_side = state


_NO_PEER_FAILURES: Final = {
    NoPeer.NO_AVAILABLE_PEER: failures.NO_PEER,
    NoPeer.NAME_NOT_FOUND: failures.NAME_UNKNOWN,
    NoPeer.DNS_FAILED: failures.NAME_ERROR,
}
