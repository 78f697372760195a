"""Files for the bot with entries of our choice, as only the mesh's own clients write them."""

import json
from collections.abc import Iterable
from typing import Any

from ztm_chat.mesh import MeshAgent

SHARED = "/apps/ztm/chat/shared"


def publish(agent: MeshAgent, entries: Iterable[tuple[int, Any]], *, ms: int = 5) -> str:
    """Put messages with times of our choice into one of the agent's files for the bot."""
    path = f"{SHARED}/{agent.username}/publish/peers/my-bot/messages/{ms}.json"
    data = json.dumps([{"time": time, "message": {"text": text}} for time, text in entries])
    agent.publish_file(path, data.encode(), readers=["my-bot"])
    return path


def publish_and_wait(agent: MeshAgent, bot: MeshAgent, entries: list[tuple[int, str]]) -> None:
    """As `publish`, until the hub shows it."""
    publish(agent, entries)
    bot.wait_for(lambda found: len(found) >= len(entries), sender=agent.username)
