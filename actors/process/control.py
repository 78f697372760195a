"""The private socket by which an operator asks the running daemon, and decides.

HTTP over a Unix socket that only its owner can open. Requests and answers are small JSON documents;
what is not understood is refused with a sentence.
"""

import asyncio
import logging
from collections.abc import Callable
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
from actors.messages import Forget, PairingDecision, ResolveDeadLetter
from actors.process.pairings import AmbiguousCode, of_code, paired, pending
from actors.process.private_socket import bind
from events.policy.account_policy import ToolGrant
from events.streams import account_stream
from store.log.event_log import EventLog
from store.read_models.dead_letters import DeadLetter, dead_letters, tools_of
from store.read_models.erasure import accounts_with, nearest

log = logging.getLogger(__name__)

BODY_BYTES = 65_536
"""The largest request that is read."""

RULING_S = 10.0
"""How long an account may take to record a ruling."""

STOP_S = 1.0
"""How long a request that is under way may delay a stop."""


class PairingRequestBody(msgspec.Struct, forbid_unknown_fields=True):
    """A ruling: by `code`, or by `person` (and `account`, when several have that person)."""

    code: str = ""
    person: str = ""
    account: str = ""


class Letter(msgspec.Struct, forbid_unknown_fields=True):
    """A dead letter, by the sequence of its message."""

    seq: int


class Forgotten(msgspec.Struct, forbid_unknown_fields=True):
    """Whose words are to be given up; `account`: only there."""

    person: str
    account: str = ""


class Control:
    """Serves the socket at `path`. `status` gives what is shown; `tell` reaches the actors."""

    def __init__(
        self,
        path: Path,
        log: EventLog,
        accounts: tuple[AccountConfig, ...],
        *,
        status: Callable[[], dict[str, Any]],
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
        app = Starlette(
            routes=[
                Route("/status", self._get_status),
                Route("/pairings", self._get_pairings),
                Route("/pairings/{kind}", self._post_ruling, methods=["POST"]),
                Route("/dead-letters/{kind}", self._post_redeem, methods=["POST"]),
                Route("/forget", self._post_forget, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _unknown, TimeoutError: _late},
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http="h11",
                timeout_graceful_shutdown=round(STOP_S),
            )
        )

    async def serve(self) -> None:
        """Answer until cancelled."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._server.should_exit = True
            await serving
            raise

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    async def _get_status(self, _: Request) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(self._status))

    async def _get_pairings(self, _: Request) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(self._pairings))

    async def _post_ruling(self, request: Request) -> JSONResponse:
        kind = request.path_params["kind"]
        if kind not in ("approve", "deny", "revoke"):
            return _refusal(404, f"there is no ruling {kind!r}; there are approve, deny, revoke")
        try:
            judged = msgspec.json.decode(await _body(request), type=PairingRequestBody)
            account, person = await asyncio.to_thread(self._whom, kind, judged)
        except (msgspec.MsgspecError, ValueError, AmbiguousCode) as error:
            return _refusal(400, str(error))
        ruled = await self._rule(kind, account, person)
        if ruled is None:
            return _refusal(409, f"{person} has nothing to {kind} in account {account}")
        return JSONResponse({"account": account, "person": ruled})

    async def _post_redeem(self, request: Request) -> JSONResponse:
        kind = request.path_params["kind"]
        if kind not in ("retry", "drop"):
            return _refusal(404, f"a dead letter can be retried or dropped, not {kind!r}")
        try:
            seq = msgspec.json.decode(await _body(request), type=Letter).seq
        except (msgspec.MsgspecError, ValueError) as error:
            return _refusal(400, str(error))
        letter, tools = await asyncio.to_thread(self._letter, seq)
        if letter is None:
            return _refusal(404, f"{seq} is no dead letter; see: ztm-chat dead-letters list")
        granted = None if kind == "drop" else tools or ToolGrant(allow=())
        done = await self._answered(
            lambda answer: self._tell(
                letter.stream, ResolveDeadLetter(letter.aside, letter.seen, granted, answer)
            )
        )
        if not done:
            return _refusal(409, "its sender is no longer let in, so it is not answered")
        return JSONResponse({"seq": seq, "stream": letter.stream})

    async def _post_forget(self, request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await _body(request), type=Forgotten)
        except (msgspec.MsgspecError, ValueError) as error:
            return _refusal(400, str(error))
        person = wanted.person
        ids = [_account.id for _account in self._accounts if wanted.account in ("", _account.id)]
        accounts = accounts_with(self._log, ids, person)
        if not accounts:
            names = await asyncio.to_thread(nearest, self._log, person)
            near = f"; names like it: {', '.join(map(repr, names))}" if names else ""
            return _refusal(404, f"no words of {person!r} are kept{near}")
        for account in accounts:
            await self._answered(
                lambda answer, account=account: self._tell(  # type: ignore[misc]
                    account_stream(account), Forget(person, "operator", answer)
                )
            )
        return JSONResponse({"accounts": accounts, "person": person})

    def _pairings(self) -> Any:
        found = {
            "pending": pending(self._log, self._accounts, self._now_ms()),
            "paired": paired(self._log, self._accounts),
        }
        return msgspec.to_builtins(found)

    def _letter(self, seq: int) -> tuple[DeadLetter | None, ToolGrant | None]:
        letter = next((one for one in dead_letters(self._log) if one.seen.seq == seq), None)
        return letter, tools_of(self._log, letter.seen) if letter else None

    def _whom(self, kind: str, judged: PairingRequestBody) -> tuple[str, str]:
        """The account and person that a ruling means. Raises `ValueError` when it means nobody."""
        if kind == "revoke":
            named = [
                paired_person
                for paired_person in paired(self._log, self._accounts)
                if paired_person.person == judged.person
                and judged.account in ("", paired_person.account)
            ]
            if len(named) != 1:
                found = "nobody" if not named else f"{len(named)} accounts' people"
                msg = f"{judged.person!r} names {found} among those let in; see: pairing list"
                raise ValueError(msg)
            return named[0].account, named[0].person
        requests = [
            pending_file
            for pending_file in pending(self._log, self._accounts, self._now_ms())
            if judged.account in ("", pending_file.account)
        ]
        request = of_code(requests, judged.code)
        if request is None:
            msg = (
                "no pending pairing request has this code (codes are valid for one hour);"
                " see: ztm-chat pairing list"
            )
            raise ValueError(msg)
        return request.account, request.person

    async def _rule(
        self, kind: Literal["approve", "deny", "revoke"], account: str, person: str
    ) -> str | None:
        ruled: str | None = await self._answered(
            lambda answer: self._tell(
                account_stream(account), PairingDecision(kind, person, "operator", answer)
            )
        )
        return ruled

    async def _answered(self, tell: Callable[[Callable[[Any], None]], None]) -> Any:
        """What an actor answers to what `tell` tells it; raises `TimeoutError` after `RULING_S`."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def answer(found: Any) -> None:
            loop.call_soon_threadsafe(_set, answered, found)

        tell(answer)
        return await asyncio.wait_for(answered, RULING_S)


def _set(future: "asyncio.Future[Any]", answer: Any) -> None:
    if not future.done():
        future.set_result(answer)


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    asked = f"{request.method} {request.url.path}"
    return _refusal(status, f"this daemon does not know {asked}; is it of another release?")


async def _late(_: Request, __: Exception) -> JSONResponse:
    return _refusal(
        503, f"not done within {RULING_S:.0f} s, perhaps later; what holds it up: ztm-chat status"
    )


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
