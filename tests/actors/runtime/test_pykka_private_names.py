"""What we use of Pykka's inside is as it was, and is used in one file."""

import inspect
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pykka
import pytest
from pykka import _envelope, messages

from actors.runtime.dispatcher import SimulatedDispatcher
from actors.runtime.scheduled_actor import Inbox
from tests.actors.runtime.probes import PoolProbe

ROOT = Path(__file__).resolve().parents[3]

USED = {
    "Actor._create_actor_inbox": (),
    "Actor._create_future": (),
    "Actor._start_actor_loop": ("self",),
    "Actor._actor_loop_teardown": ("self",),
    "Actor._handle_receive": ("self", "message"),
    "Actor._handle_failure": ("self", "exception_type", "exception_value", "traceback"),
    "Envelope.__init__": ("self", "message", "reply_to"),
    "Envelope.__slots__": ("message", "reply_to"),
    "_ActorStop._fields": (),
}
"""What `actors.runtime.scheduled_actor` uses of Pykka's inside: parameters, or fields."""


@pytest.mark.parametrize("name", USED)
def test_pykka_private_names(name: str) -> None:
    owners = {
        "Actor": pykka.Actor,
        "Envelope": getattr(_envelope, "Envelope", None),
        "_ActorStop": getattr(messages, "_ActorStop", None),
    }
    owner, attribute = name.split(".")
    found: Any = getattr(owners[owner], attribute, ("is gone",))
    shown = tuple(inspect.signature(found).parameters if callable(found) else found)
    assert shown == USED[name], (
        f"Pykka {version('pykka')} has changed {name}, which it keeps private: {shown}."
        " Adapt actors/runtime/scheduled_actor.py, then this table."
    )


def test_pykka_still_puts_envelopes_into_an_inbox() -> None:
    inbox = Inbox()
    ref = PoolProbe.start(SimulatedDispatcher(seed=1))
    ref.actor_inbox = inbox
    ref.tell("told")
    ref.stop(block=False)
    told, stop = inbox.get(), inbox.get()
    assert (told.message, told.reply_to) == ("told", None)
    assert isinstance(stop.message, messages._ActorStop)
    assert stop.reply_to is not None


def test_private_names_of_pykka_are_used_in_one_file() -> None:
    private = re.compile(
        r"pykka\._|\b_ActorStop\b|\._actor_weakref\b|"
        + "|".join(rf"\b{name.split('.')[1]}\b" for name in USED if name.startswith("Actor."))
    )
    files = (
        path
        for room in ("actors", "bin", "events", "store")
        for path in ROOT.glob(f"{room}/**/*.py")
    )
    using = [path.name for path in files if private.search(path.read_text())]
    assert using == ["scheduled_actor.py"]
