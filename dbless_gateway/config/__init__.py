"""Text in; linked entities, or every problem, out. Pure: no sockets, no routers, no plugin code."""
