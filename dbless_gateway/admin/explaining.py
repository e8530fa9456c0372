"""``/explain``: what the served configuration makes of a request.

The arguments are ``url``, and ``method``, ``client_ip``, ``sni``, ``all=true`` and ``headers`` (lines of
``name: value``, with line breaks between them). The body is what ``dbless-gateway explain --json`` prints.
"""

from __future__ import annotations

from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer


async def explain(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the explanation of one request."""
    if not request.is_trusted:
        # It shows what targets are sent, and so the secrets that plugins add.
        raise plain(403, "only for clients on this machine, or with the token or a certificate")
    status, body = await commands.explain(request.query)
    return json_answer(status, body)
