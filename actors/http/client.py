"""The only way to HTTP: every request of the daemon leaves here; nothing else imports httpx.

A request has one deadline that covers everything, from the connection to the last byte of the body,
so a server that drips its answer cannot hold a caller longer than was asked. Bodies are counted
while they arrive, and are asked for uncompressed, so that neither an endless answer nor a small one
that inflates can fill the memory. Redirects are not followed, proxies of the environment are not
used, cookies are not kept.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from json import dumps

import certifi
import httpx
from msgspec import Struct

from actors.http.errors import (
    BadAnswer,
    ConnectionLost,
    HttpError,
    TimedOut,
    TlsFailed,
    TooLarge,
    Unreachable,
    UnsendableRequest,
)
from actors.http.urls import printable, public_url

__all__ = [
    "BadAnswer",
    "ConnectionLost",
    "HttpClient",
    "HttpError",
    "Response",
    "StreamedAnswer",
    "TimedOut",
    "TlsFailed",
    "TooLarge",
    "Unreachable",
    "UnsendableRequest",
]

# At INFO, httpx logs every address with its query, which may hold a token.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

# Shorter than the 5 s after which common servers close an idle connection: a request is then never
# written into a connection that is being closed.
_IDLE_S = 4.0

# Reading the system's certificates takes 16 ms and 860 kB, so all clients share this context, and
# it stays empty (trusting nobody) until the first https request.
_DEFAULT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Response(Struct, frozen=True):
    """A whole answer: any status, headers by lower-case name, and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedAnswer:
    """An answer whose body is still arriving. Only valid inside its `HttpClient.stream` block."""

    def __init__(self, response: httpx.Response, what: str, max_bytes: int) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)
        self._response = response
        self._what = what
        self._max_bytes = max_bytes
        self._seen = 0
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise BadAnswer(
                f"{what}: the answer is compressed, though an uncompressed one was asked for"
            )
        length = self.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
            raise self._too_large()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive. Raises TooLarge, ConnectionLost, BadAnswer."""
        with _translated(self._what):
            async for chunk in self._response.aiter_raw():
                self._seen += len(chunk)
                if self._seen > self._max_bytes:
                    raise self._too_large()
                yield chunk

    async def lines(self) -> AsyncIterator[str]:
        """The body's lines without their LF or CRLF, as they arrive; bad UTF-8 becomes U+FFFD.

        Only LF ends a line: U+2028 and the like are ordinary characters in JSON and must not.
        """
        pending = bytearray()
        async for chunk in self.chunks():
            head, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                pending += chunk
                continue
            for line in (pending + head).split(b"\n"):
                yield line.removesuffix(b"\r").decode("utf-8", "replace")
            pending = bytearray(tail)
        if pending:
            yield pending.removesuffix(b"\r").decode("utf-8", "replace")

    async def read(self) -> bytes:
        """The whole body; b"" when it was already taken by `chunks` or `lines`."""
        if self._response.is_stream_consumed:
            return b""
        return b"".join([chunk async for chunk in self.chunks()])

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"{self._what}: the answer is larger than the {self._max_bytes} bytes allowed"
        )


class HttpClient:
    """Keep-alive connections to any number of servers, for one event loop; close it at the end.

    `tls` is for https addresses: what to trust and which certificate to show. It is called by the
    first request, and by the next one again if it raises. Without it, the public authorities are
    trusted. `max_connections` bounds the requests in flight; more wait, within their deadline.
    """

    def __init__(
        self, *, tls: Callable[[], ssl.SSLContext] | None = None, max_connections: int = 20
    ) -> None:
        self._tls = tls
        self._limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_IDLE_S,
        )
        self._opened: httpx.AsyncClient | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        timeout_s: float,
    ) -> Response:
        """The whole answer, whatever its status. Arguments and errors are those of `stream`."""
        async with self.stream(
            method,
            url,
            json=json,
            headers=headers,
            max_bytes=max_bytes,
            timeout_s=timeout_s,
        ) as answer:
            return Response(answer.status, answer.headers, await answer.read())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        timeout_s: float,
    ) -> AsyncIterator[StreamedAnswer]:
        """Ask, and hand over the answer as soon as its headers are there.

        The body to send is `json`, if it is not `None`. `max_bytes` bounds the whole body that
        comes back; `timeout_s` bounds the whole block, the caller's own work in it included. Raises
        HttpError, and what `tls` raises. Leaving the block early, also by cancellation, closes the
        connection.
        """
        what = f"{method} {public_url(url)}"
        merged = {key.lower(): value for key, value in (headers or {}).items()}
        content = None
        client = self._client()
        try:
            if json is not None:
                content = dumps(json, ensure_ascii=False, allow_nan=False).encode()
                merged.setdefault("content-type", "application/json")
            request = client.build_request(method, url, content=content, headers=merged)
        except (TypeError, ValueError, RecursionError, httpx.InvalidURL):
            # Not chained: the original text may quote a header or the whole address.
            raise UnsendableRequest(
                f"{what}: the address, a header or the body cannot be sent"
            ) from None
        if (request.url.port or 0) > 65535:
            raise UnsendableRequest(f"{what}: no port is larger than 65535")
        if self._tls is None and request.url.scheme == "https":
            _trust_public_authorities()
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                with _translated(what):
                    response = await client.send(request, stream=True)
                try:
                    yield StreamedAnswer(response, what, max_bytes)
                finally:
                    with _translated(what):
                        await response.aclose()
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise TimedOut(f"{what}: no complete answer within {timeout_s:g} s") from error

    async def aclose(self) -> None:
        """Close all connections. Requests in flight fail."""
        if self._opened:
            await self._opened.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                verify=self._tls() if self._tls else _DEFAULT_TLS,
                trust_env=False,
                follow_redirects=False,
                timeout=None,  # noqa: S113 - `stream` sets the one deadline, over everything
                limits=self._limits,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                headers={"accept-encoding": "identity", "user-agent": "ztm-chat"},
            )
        return self._opened


@cache
def _trust_public_authorities() -> None:
    # Both: slim containers have no system store, and only the system's has a company's own
    # authority.
    _DEFAULT_TLS.load_default_certs()
    _DEFAULT_TLS.load_verify_locations(certifi.where())


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn what httpx and the layers beneath it raise into an HttpError."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError):
        raise UnsendableRequest(f"{what}: the address or a header cannot be sent") from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        # OSError, because a TLS alert that comes while reading passes through httpx as
        # ssl.SSLError.
        raise _translation(what, error) from error


def _translation(what: str, error: Exception) -> HttpError:
    roots = list(_causes(error))
    for root in roots:
        if isinstance(root, ssl.SSLError):
            return TlsFailed(f"{what}: TLS failed: {_tls_reason(root)}")
    reason = _system_reason(roots) or printable(str(error)[:200]) or type(error).__name__
    match error:
        case httpx.ConnectError():
            return Unreachable(f"{what}: no connection: {reason}")
        case httpx.RemoteProtocolError() if not _says_closed(error):
            return BadAnswer(f"{what}: the answer is not HTTP: {reason}")
        case _:
            return ConnectionLost(
                f"{what}: the connection broke before the answer was complete: {reason}"
            )


def _says_closed(error: httpx.RemoteProtocolError) -> bool:
    """Whether the peer went away, rather than sending nonsense: httpx tells it in words only."""
    return "closed connection" in str(error) or "disconnected" in str(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # one failure for each address of the host
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__


def _system_reason(roots: list[BaseException]) -> str:
    for root in reversed(roots):
        if isinstance(root, OSError) and root.errno is not None:
            # A resolver's numbers are negative, and only it knows their text.
            return os.strerror(root.errno) if root.errno > 0 else str(root.strerror)
    return ""


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate was refused: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
