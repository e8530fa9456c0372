"""Where the node's configurations come from: the files or the text of the settings, or what was served last.

Knows how to load and what to keep; moving workers to a configuration is ``worker_pool.py``'s, and telling
about it the supervisor's business.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import KnownSchemas, load_schemas
from dbless_gateway.server import logs
from dbless_gateway.server.last_good import keep, recall
from dbless_gateway.server.load_messages import LoadRequest
from dbless_gateway.server.loading import Configuration, load
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.tls_options import listener_certificates

_log = logging.getLogger(__name__)

# What a configuration that comes from a variable is called in its problems.
INLINE_NAME = "<declarative_config_string>"
_SEED_BYTES = 32


class Configurations:
    """The source of a node's configurations."""

    def __init__(self, settings: ServerSettings, loader_command: Sequence[str]) -> None:
        self.serves_last_good = False
        self._is_serving = False
        self._plugins = settings.plugins
        self._folder = settings.last_good_folder
        self._command = loader_command
        texts = ((INLINE_NAME, settings.inline),) if settings.inline is not None else ()
        # One for the whole life: a key or secret that the files leave out must be the same after each reload.
        self._seed = os.urandom(_SEED_BYTES)
        wants_texts = self._folder is not None
        self._request = LoadRequest(
            settings.files,
            texts,
            settings.proxy,
            wants_texts,
            self._seed,
            settings.plugins,
            settings.expand_env,
            listener_certificates(settings.default_pairs),
        )

    async def load(self) -> Configuration | tuple[Problem, ...]:
        """Load what the files say now."""
        return self.taught(await self._load(self._request))

    @property
    def request(self) -> LoadRequest:
        """How the files are loaded."""
        return self._request

    async def load_text(self, name: str, text: str) -> Configuration | tuple[Problem, ...]:
        """Load a text in place of the files."""
        request = replace(self._request, files=(), texts=((name, text),))
        return self.taught(await self._load(request))

    async def recall(self) -> Configuration | None:
        """Load what was served last, if the settings ask for that and it is there."""
        texts = await asyncio.to_thread(recall, self._folder) if self._folder is not None else None
        if texts is None:
            return None
        request = replace(self._request, files=(), texts=texts, wants_texts=False)
        loaded = self.taught(await self._load(request))
        if not isinstance(loaded, Configuration):
            return None
        self.serves_last_good = True
        return loaded

    async def _load(self, request: LoadRequest) -> Configuration | tuple[Problem, ...]:
        # Before there is anything to serve nobody else needs the cores.
        return await load(request, self._command, is_urgent=not self._is_serving)

    def taught(self, loaded: Configuration | tuple[Problem, ...]) -> Configuration | tuple[Problem, ...]:
        """Let this process know the schemas of plugins whose code it never runs."""
        if isinstance(loaded, Configuration):
            load_schemas().extend(KnownSchemas(loaded.plugin_schemas), self._plugins.enabled)
        return loaded

    async def note_served(self, configuration: Configuration) -> None:
        """Keep what all workers serve from now on."""
        self._is_serving = True
        if self._folder is None or not configuration.texts:
            return
        self.serves_last_good = False
        try:
            await asyncio.to_thread(keep, self._folder, configuration.texts)
        except OSError as error:
            told = {"folder": self._folder, "reason": error.strerror}
            logs.event(_log, "warn", "what is served could not be kept", **told)
