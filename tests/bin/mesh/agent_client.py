"""A client of an agent's HTTP API, as a careful program would write it."""

import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

from ztm_chat.mesh import MeshAgent

TLS = ssl.create_default_context()
"""Unused by plain HTTP, but costly: httpx makes one a client unless it is given."""


class Api:
    """HTTP to one agent; parts of paths are encoded as a client should."""

    def __init__(self, agent: MeshAgent, http: httpx.Client) -> None:
        self.mesh_path = f"/api/meshes/{agent.mesh.name}"
        self._http = http

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self._http.get(path, params=query)

    def post(self, path: str, body: Any = None, *, raw: bytes | None = None) -> httpx.Response:
        if raw is not None:
            return self._http.post(path, content=raw)
        return self._http.post(path, json=body)

    def status(self) -> Any:
        return self.get(self.mesh_path).json()

    def chat(self, *parts: str) -> str:
        return "/".join([self.mesh_path, "apps/ztm/chat/api", *(quote(p, safe="") for p in parts)])

    def chats(self) -> list[Any]:
        found: list[Any] = self.get(self.chat("chats")).json()
        return found

    def texts(self, *parts: str, **query: Any) -> list[Any]:
        """The texts that the Chat app shows; none where there is no such chat yet."""
        answer = self.get(self.chat(*parts, "messages"), **query)
        return [m["message"]["text"] for m in answer.json()] if answer.status_code == 200 else []

    def files(self, **query: Any) -> Any:
        return self.get(f"{self.mesh_path}/files", **query).json()

    def file(self, path: str) -> httpx.Response:
        return self.get(f"{self.mesh_path}/files{quote(path)}")

    def data(self, path: str) -> httpx.Response:
        return self.get(f"{self.mesh_path}/file-data{quote(path)}")


Connect = Callable[[MeshAgent], Api]
Eventually = Callable[[Callable[[], Any]], Any]
