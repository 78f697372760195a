"""The private socket through which an operator queries and controls the running daemon.

HTTP over a Unix socket that only its owner can open. Requests and answers are small JSON documents;
an invalid request gets an error with a sentence that says why.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from actors.configuration import AccountConfig
from actors.messages import Answer, ErasePerson, PairingDecision, ResolveDeadLetter
from actors.process.pairings import AmbiguousCode, of_code, paired, pending
from actors.process.private_socket import bind
from events.policy.account_policy import ToolGrant
from events.streams import account_stream
from store.log.event_log import EventLog
from store.read_models.dead_letters import DeadLetter, dead_letters, tools_of
from store.read_models.erasure import accounts_with, nearest

log = logging.getLogger(__name__)

BODY_BYTES = 65_536
"""The largest request that is accepted."""

ANSWER_S = 10.0
"""How long an actor may take to carry out a request, in seconds."""

STOP_S = 1.0
"""How long a request in progress may delay a stop, in seconds."""


class PairingBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom a pairing decision is about: `code`, or `person` (and `account`, if it is ambiguous)."""

    code: str = ""
    person: str = ""
    account: str = ""


class DeadLetterBody(msgspec.Struct, forbid_unknown_fields=True):
    """A dead letter, by the sequence of its message."""

    seq: int


class ForgetBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whose messages to erase; only in `account`, if it is given."""

    person: str
    account: str = ""


class Control:
    """Serves the socket at `path`. `status` makes the status; `tell` reaches the actors."""

    def __init__(
        self,
        path: Path,
        log: EventLog,
        accounts: tuple[AccountConfig, ...],
        *,
        status: Callable[..., dict[str, Any]],
        tell: Callable[[str, Any], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._path = path
        self._log = log
        self._accounts = accounts
        self._status = status
        self._tell = tell
        self._now_ms = now_ms
        self._socket = bind(path)
        self._app = Starlette(
            routes=[
                Route("/status", self._get_status),
                Route("/pairings", self._get_pairings),
                Route("/pairings/{kind}", self._post_pairing, methods=["POST"]),
                Route("/dead-letters/{kind}", self._post_dead_letter, methods=["POST"]),
                Route("/forget", self._post_forget, methods=["POST"]),
            ],
            exception_handlers={
                HTTPException: _unknown_request,
                TimeoutError: _timed_out,
                NotDone: _not_done,
            },
        )

    async def serve(self) -> None:
        """Answer until cancelled. May be called again after it failed."""
        if self._socket.fileno() < 0:
            self._socket = bind(self._path)
        server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http="h11",
                timeout_graceful_shutdown=round(STOP_S),
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
        msg = "the server of the control socket ended without having been told to"
        raise RuntimeError(msg)

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    async def _get_status(self, request: Request) -> JSONResponse:
        verbose = request.query_params.get("verbose") == "1"
        return JSONResponse(await asyncio.to_thread(self._status, verbose=verbose))

    async def _get_pairings(self, _: Request) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(self._pairings))

    async def _post_pairing(self, request: Request) -> JSONResponse:
        kind = request.path_params["kind"]
        if kind not in ("approve", "deny", "revoke"):
            return _refusal(404, f"unknown action {kind!r}; use approve, deny or revoke")
        try:
            body = msgspec.json.decode(await _body(request), type=PairingBody)
            account, person = await asyncio.to_thread(self._whom, kind, body)
        except (msgspec.MsgspecError, ValueError, AmbiguousCode) as error:
            return _refusal(400, str(error))
        decided = await self._decide(kind, account, person)
        if decided is None:
            return _refusal(409, f"nothing to {kind} for {person} in account {account}")
        return JSONResponse({"account": account, "person": decided})

    async def _post_dead_letter(self, request: Request) -> JSONResponse:
        kind = request.path_params["kind"]
        if kind not in ("retry", "drop"):
            return _refusal(404, f"unknown action {kind!r}; use retry or drop")
        try:
            seq = msgspec.json.decode(await _body(request), type=DeadLetterBody).seq
        except (msgspec.MsgspecError, ValueError) as error:
            return _refusal(400, str(error))
        letter, tools = await asyncio.to_thread(self._letter, seq)
        if letter is None:
            return _refusal(404, f"{seq} is not a dead letter; see: ztm-chat dead-letters list")
        granted = None if kind == "drop" else tools or ToolGrant(allow=())
        done = await self._answered(
            lambda answer: self._tell(
                letter.stream, ResolveDeadLetter(letter.aside, letter.seen, granted, answer)
            )
        )
        if not done:
            return _refusal(409, "its sender is no longer accepted, so it was not retried")
        return JSONResponse({"seq": seq, "stream": letter.stream})

    async def _post_forget(self, request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await _body(request), type=ForgetBody)
        except (msgspec.MsgspecError, ValueError) as error:
            return _refusal(400, str(error))
        person = wanted.person
        ids = [config.id for config in self._accounts if wanted.account in ("", config.id)]
        accounts = accounts_with(self._log, ids, person)
        if not accounts:
            names = await asyncio.to_thread(nearest, self._log, person)
            near = f"; similar names: {', '.join(map(repr, names))}" if names else ""
            return _refusal(404, f"no messages of {person!r} are stored{near}")
        for account in accounts:
            await self._answered(
                lambda answer, account=account: self._tell(  # type: ignore[misc]
                    account_stream(account), ErasePerson(person, "operator", answer)
                )
            )
        return JSONResponse({"accounts": accounts, "person": person})

    def _pairings(self) -> Any:
        found = {
            "pending": pending(self._log, self._accounts, self._now_ms()),
            "paired": paired(self._log, self._accounts),
            "now": self._now_ms(),
        }
        return msgspec.to_builtins(found)

    def _letter(self, seq: int) -> tuple[DeadLetter | None, ToolGrant | None]:
        letter = next(
            (letter for letter in dead_letters(self._log) if letter.seen.seq == seq), None
        )
        return letter, tools_of(self._log, letter.seen) if letter else None

    def _whom(self, kind: str, body: PairingBody) -> tuple[str, str]:
        """The account and person that a decision is about. Raises `ValueError` if nobody is."""
        if kind == "revoke":
            approved = [
                approval
                for approval in paired(self._log, self._accounts)
                if approval.person == body.person and body.account in ("", approval.account)
            ]
            if not approved:
                msg = f"{body.person!r} is not approved; see: ztm-chat pairing list"
                raise ValueError(msg)
            if len(approved) > 1:
                msg = f"{body.person!r} is approved in several accounts; choose one with --account"
                raise ValueError(msg)
            return approved[0].account, approved[0].person
        requests = [
            request
            for request in pending(self._log, self._accounts, self._now_ms())
            if body.account in ("", request.account)
        ]
        request = of_code(requests, body.code)
        if request is None:
            msg = (
                "no pending pairing request has this code (codes are valid for one hour);"
                " see: ztm-chat pairing list"
            )
            raise ValueError(msg)
        return request.account, request.person

    async def _decide(
        self, kind: Literal["approve", "deny", "revoke"], account: str, person: str
    ) -> str | None:
        decided: str | None = await self._answered(
            lambda answer: self._tell(
                account_stream(account), PairingDecision(kind, person, "operator", answer)
            )
        )
        return decided

    async def _answered(self, tell: Callable[[Answer], None]) -> Any:
        """What an actor answers to what `tell` tells it. Raises `TimeoutError` after `ANSWER_S`,
        and `NotDone` when no answer will come."""
        promise = Promise(asyncio.get_running_loop())
        tell(promise)
        return await asyncio.wait_for(promise.future, ANSWER_S)


class NotDone(Exception):
    """An actor could not do what it was asked to. The text says why."""


class Promise:
    """An `Answer` that is awaited on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def give(self, value: Any) -> None:
        """It is done; any thread."""
        self._settle(lambda: self.future.set_result(value))

    def fail(self, reason: str) -> None:
        """It will not be done; any thread."""
        self._settle(lambda: self.future.set_exception(NotDone(reason)))

    def _settle(self, settle: Callable[[], None]) -> None:
        def once() -> None:
            if not self.future.done():
                settle()

        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(once)


async def _unknown_request(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    asked = f"{request.method} {request.url.path}"
    return _refusal(status, f"unknown request {asked}; is the daemon of another release?")


async def _timed_out(_: Request, __: Exception) -> JSONResponse:
    return _refusal(
        503, f"timed out after {ANSWER_S:.0f} s; it may still complete. See: ztm-chat status"
    )


async def _not_done(_: Request, error: Exception) -> JSONResponse:
    return _refusal(503, f"not done: {error}; see: ztm-chat status")


def _refusal(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            msg = f"the request is larger than {BODY_BYTES} bytes"
            raise ValueError(msg)
    return bytes(body)
