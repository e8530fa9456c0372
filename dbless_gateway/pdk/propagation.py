"""Which trace formats a plugin extracts, clears and injects, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dbless_gateway.config.records import dataclass, replace
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.log_values import set_log_value
from dbless_gateway.pdk.tracing import FORMATS, InjectionError, TraceContext

if TYPE_CHECKING:
    import logging

# The order of Kong's legacy fields. b3 comes first, and counts as found with any tracestate.
_LEGACY_ORDER = ("b3", "w3c", "jaeger", "ot", "datadog", "aws", "gcp", "instana")


@dataclass(frozen=True, slots=True)
class PropagationConfig:
    """The ``propagation`` record of a plugin's configuration."""

    extract: tuple[str, ...] | None
    clear: tuple[str, ...] | None
    inject: tuple[str, ...] | None
    default_format: str | None


class Propagator:
    """Reads the incoming context and writes the outgoing one."""

    def __init__(
        self,
        config: PropagationConfig,
        *,
        header_type: str | None,
        legacy_default: str | None = None,
        log: logging.Logger,
    ) -> None:
        self._log = log
        self._default = config.default_format or "w3c"
        if config.extract or config.clear or config.inject:
            self._extract: Sequence[str] = config.extract or ()
            self._clear: Sequence[str] = config.clear or ()
            self._inject: Sequence[str] = config.inject or ()
            return
        self._clear = ()
        self._default = legacy_default or self._default
        self._extract = () if header_type == "ignore" else _LEGACY_ORDER
        if header_type == "ignore":
            self._inject = (self._default,)
        elif header_type in (None, "preserve"):
            self._inject = ("preserve",)
        else:
            self._inject = ("preserve", str(header_type))

    def extract(self, ctx: Context) -> tuple[TraceContext, str | None]:
        """Return the incoming context and its format; an empty one when there is none."""
        for name in self._extract:
            context = FORMATS[name].extract(ctx.upstream.headers)
            if context is not None:
                found = "b3-single" if name == "b3" and context.is_single_b3 else name
                return context, found
        return TraceContext(), None

    def inject(self, ctx: Context, context: TraceContext, found: str | None) -> None:
        """Write the outgoing context into the request; ``found`` is the format that was extracted."""
        headers = ctx.upstream.headers
        for name in self._clear:
            headers.remove(name)
        for wanted in self._inject:
            name = (found or self._default) if wanted == "preserve" else wanted
            try:
                lines, trace_id = FORMATS[name].inject(context)
            except InjectionError as error:
                self._log.error("%s", error)
                continue
            for header, value in lines:
                headers.set(header, value)
            if trace_id is not None:
                set_log_value(ctx, f"trace_id.{'b3' if name == 'b3-single' else name}", trace_id)


def outgoing(
    context: TraceContext, *, span_id: bytes, parent_id: bytes | None, sampled: bool | None
) -> TraceContext:
    """Return the context that the target continues."""
    return replace(context, span_id=span_id, parent_id=parent_id, sampled=sampled)
