"""Requests to the web application in this process, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

OWN = "http://127.0.0.1:8000"  # an address that the server accepts as its own


class Client:
    """Sends requests to an application.

    Args:
        app: the application.
        base_url: the address in the requests.
    """

    def __init__(self, app: Any, base_url: str = OWN) -> None:
        self._app = app
        self._base_url = base_url

    def request(self, method: str, path: str, **more: Any) -> Any:
        async def answer() -> Any:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url=self._base_url) as client:
                return await client.request(method, path, **more)

        return asyncio.run(answer())

    def get(self, path: str, **more: Any) -> Any:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self.request("POST", path, **more)


def body(stars: dict[Any, float], **more: Any) -> dict[str, Any]:
    """The body of a request with somebody's ratings."""
    return {"ratings": [{"item_id": item, "stars": given} for item, given in stars.items()], **more}
