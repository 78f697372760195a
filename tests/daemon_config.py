"""The configuration of a daemon whose files all lie in one folder."""

from pathlib import Path

import yaml


def write_config(
    folder: Path, agent_url: str, store: dict[str, str] | None = None, **options: object
) -> Path:
    """Write `openclaw.yaml` for the account `bot`, who is my-bot in demo-mesh and answers everybody
    who writes; `options` are more of the account's, `store` of the log's."""
    account = {
        "agentUrl": agent_url,
        "permitSource": "file",
        "permitFilePath": str(folder / "permit.json"),
        "meshName": "demo-mesh",
        "username": "my-bot",
        "dmPolicy": "allow",
    }
    section = {
        "store": {"path": str(folder / "log")} | (store or {}),
        "gateway": {"socket": str(folder / "socket")},
        "accounts": {"bot": account | options},
    }
    path = folder / "openclaw.yaml"
    path.write_text(yaml.safe_dump({"channels": {"ztm-chat": section}}))
    return path
