"""Checks before every request and headers behind every answer, as one plain ASGI layer around the application.

It refuses other hosts and origins, bodies that are too large and addresses that ask too often, and counts the answers.
"""

from __future__ import annotations

import ipaddress
import json
import math
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException

from .metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 2_000_000  # bytes of a JSON request
LARGEST_UPLOAD = 20_000_000  # bytes of a file to import
_MOST_CLIENTS = 10_000  # addresses whose rates are remembered
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_DOCS_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Refused(HTTPException):
    """A request that is refused; ``detail`` says what is wrong and what is allowed, in one line."""


class Guard:
    """An ASGI application around another one.

    Args:
        application: answers the requests.
        routes: the known paths; all others count as one in the metrics.
        metrics: counts the answers.
        rate_limit: requests a minute for each address; None is no limit.
        hosts: names by which this server may be called, beside addresses, ``localhost`` and the machine's own name.
            A page of another site, whose name was made to resolve to this machine (DNS rebinding), is refused.
    """

    def __init__(
        self,
        application: Application,
        *,
        routes: frozenset[str],
        metrics: Metrics,
        rate_limit: int | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        own = socket.gethostname().lower()
        self._application = application
        self._routes = routes
        self._metrics = metrics
        self._hosts = hosts | {"localhost", own, f"{own}.local"}
        self._rates = None if rate_limit is None else Rates(rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return
        started, path, status = time.perf_counter(), scope["path"], 500
        answering = False

        async def answer(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                headers = message.setdefault("headers", [])
                own = {name for name, _ in headers}
                message["headers"] = [*headers, *(one for one in _HEADERS if one[0] not in own)]
            await send(message)

        try:
            limit = LARGEST_UPLOAD if path == "/api/import" else LARGEST_BODY
            headers = dict(scope["headers"])
            self._check(scope, headers, limit)
            await self._application(scope, _limited(receive, limit), answer)
        except Refused as refused:
            if answering:
                raise
            await _refuse(answer, refused)
        finally:
            route = path if path in self._routes else "other"
            self._metrics.count(route, status, time.perf_counter() - started)

    def _check(self, scope: Scope, headers: dict[bytes, bytes], limit: int) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_own(_without_port(host)):
            raise Refused(421, f"This server is not called {host[:100]!r}. Use http://localhost or its address.")
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin and origin.partition("://")[2] != host:
            raise Refused(403, "Pages from elsewhere may not use this server.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refused(400, "Content-Length must be a whole number.")
        if len(length) > 12 or int(length) > limit:
            raise _too_large(limit)
        if self._rates is not None:
            client = scope.get("client")
            self._rates.take(client[0] if client else "")

    def _is_own(self, name: str) -> bool:
        return name in self._hosts or _is_address(name.strip("[]"))


class Rates:
    """How many requests each address has left: a token bucket, which fills evenly.

    Args:
        per_minute: size of the bucket, and tokens added in a minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._size = per_minute
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Number of addresses that are remembered."""
        return len(self._clients)

    def take(self, client: str, now: float | None = None) -> None:
        """Takes one token.

        Args:
            client: the address.
            now: seconds on a clock that only goes forward; this machine's when left out.

        Raises:
            Refused: no token is left.
        """
        now = time.monotonic() if now is None else now
        left, then = self._clients.pop(client, (float(self._size), now))
        left = min(self._size, left + (now - then) * self._size / 60)
        self._clients[client] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        if left < 1:
            wait = math.ceil((1 - left) * 60 / self._size)
            raise Refused(
                429, f"At most {self._size} requests a minute are answered. Wait {wait} s.", {"retry-after": str(wait)}
            )


def _limited(receive: Receive, limit: int) -> Receive:
    """The same messages, as long as their bodies are not larger than allowed in total."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise _too_large(limit)
        return message

    return limited


def _too_large(limit: int) -> Refused:
    return Refused(413, f"A request may hold {limit / 1e6:g} MB. This one holds more.")


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps({"detail": refused.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), _DOCS_POLICY]
    headers += [(name.encode(), value.encode()) for name, value in (refused.headers or {}).items()]
    await send({"type": "http.response.start", "status": refused.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
