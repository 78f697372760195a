"""Fetching the mesh's files: bounded, and so that nobody's slow files hold up anybody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from actors.ztm.client.ztm_client import ZtmClient
from actors.ztm.errors import AgentDisconnected, AgentUnreachable, AnswerTooLarge, ZtmError

FETCHES = 16
"""How many files are fetched at a time: the rest of the connections is for other requests."""

FETCHES_OF_SENDER = 2
"""How many of them may be of one sender, whose agent might never deliver."""


class TooLarge(Exception):
    """The file has more bytes than were asked for."""


class FileUnavailable(Exception):
    """The agent can't give the file now: nobody who has it is there, or nobody delivers."""


class Fetcher:
    """Fetches files of the mesh."""

    def __init__(self, client: ZtmClient) -> None:
        self._client = client
        self._all = asyncio.Semaphore(FETCHES)
        self._of_sender: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def fetch(self, path: str, sender: str, max_bytes: int) -> bytes:
        """The file's bytes. Raises TooLarge, FileUnavailable, and ZtmError when the agent is
        away."""
        async with self._slot(sender):
            try:
                data = await self._client.file_data(path, max_bytes=max_bytes)
            except AnswerTooLarge as error:
                raise TooLarge from error
            except (AgentUnreachable, AgentDisconnected):
                raise
            except ZtmError as error:
                raise FileUnavailable(str(error)) from error
        if data is None:
            raise FileUnavailable("nobody who has it is there")
        return data

    @asynccontextmanager
    async def _slot(self, sender: str) -> AsyncIterator[None]:
        own = self._of_sender.get(sender)
        if own is None:
            own = self._of_sender[sender] = asyncio.Semaphore(FETCHES_OF_SENDER)
        async with own, self._all:
            yield
