"""``/proxy-cache``: the responses that the plugin of that name keeps, by what ``X-Cache-Key`` says.

All instances of the plugin share the node's memory, so a key finds its entry through any of them.
"""

from __future__ import annotations

from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import not_found, plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, empty_answer, json_answer
from dbless_gateway.admin.reading import catalog_of


async def read(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return one entry."""
    if not request.is_trusted:
        # It shows what a target has told one of its consumers.
        raise plain(403, "only for clients on this machine, or with the token or a certificate")
    entry = commands.cached_response(_cache_key(request, commands))
    if entry is None:
        raise not_found()
    return json_answer(200, entry)


async def forget(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Drop one entry."""
    if not commands.forget_cached_response(_cache_key(request, commands)):
        raise not_found()
    return empty_answer()


async def forget_all(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Drop every entry."""
    commands.forget_cached_responses()
    return empty_answer()


def _cache_key(request: AdminRequest, commands: Commands) -> str:
    """Return the last key of the path; the one before it, if any, must be an instance of the plugin."""
    *plugin_ids, cache_key = request.keys
    for plugin_id in plugin_ids:
        plugins = catalog_of(commands).entities.plugins
        if not any(plugin.id == plugin_id and plugin.name == "proxy-cache" for plugin in plugins):
            raise not_found()
    return cache_key
