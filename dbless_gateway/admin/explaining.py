"""``/explain``: what the served configuration makes of a request.

The arguments are ``url``, and ``method``, ``client_ip``, ``sni``, ``all=true`` and ``headers`` (lines of
``name: value``, with line breaks between them). The body is what ``dbless-gateway explain --json`` prints.
"""

from __future__ import annotations

from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer


async def explain(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the explanation of one request."""
    status, body = await commands.explain(request.query)
    return json_answer(status, body)
