"""What stands before every request: hosts, sizes, rates, headers and figures, as one plain ASGI layer."""

from __future__ import annotations

import ipaddress
import json
import math
import socket
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 2_000_000  # bytes of a JSON request
LARGEST_UPLOAD = 20_000_000  # bytes of a file to import
_MOST_CLIENTS = 10_000  # whose rates are remembered
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
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
    """A request that is not answered; ``detail`` says what is wrong and what is allowed, in one line."""


class Figures:
    """Counts and durations of the answers, in Prometheus' text format."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = defaultdict(int)
        self.seconds: dict[str, float] = defaultdict(float)
        self.buckets: dict[str, list[int]] = defaultdict(lambda: [0] * len(_BUCKETS))
        self.started = time.time()

    def count(self, route: str, status: int, seconds: float) -> None:
        """Takes one answer in."""
        self.requests[route, status] += 1
        self.seconds[route] += seconds
        buckets = self.buckets[route]
        for place, edge in enumerate(_BUCKETS):
            if seconds <= edge:
                buckets[place] += 1

    def text(self) -> str:
        """The figures as Prometheus reads them."""
        lines = [
            "# HELP movie_autoencoder_requests_total Answers by route and status.",
            "# TYPE movie_autoencoder_requests_total counter",
        ]
        totals: dict[str, int] = defaultdict(int)
        for (route, status), number in sorted(self.requests.items()):
            totals[route] += number
            lines.append(f'movie_autoencoder_requests_total{{route="{route}",status="{status}"}} {number}')
        lines += [
            "# HELP movie_autoencoder_request_seconds Seconds from a request to its answer.",
            "# TYPE movie_autoencoder_request_seconds histogram",
        ]
        for route, number in sorted(totals.items()):
            for edge, below in zip(_BUCKETS, self.buckets[route], strict=True):
                lines.append(f'movie_autoencoder_request_seconds_bucket{{route="{route}",le="{edge:g}"}} {below}')
            lines.append(f'movie_autoencoder_request_seconds_bucket{{route="{route}",le="+Inf"}} {number}')
            lines.append(f'movie_autoencoder_request_seconds_sum{{route="{route}"}} {self.seconds[route]:.6f}')
            lines.append(f'movie_autoencoder_request_seconds_count{{route="{route}"}} {number}')
        lines += [
            "# HELP movie_autoencoder_start_time_seconds When the server started, seconds since 1970.",
            "# TYPE movie_autoencoder_start_time_seconds gauge",
            f"movie_autoencoder_start_time_seconds {self.started:.3f}",
        ]
        return "\n".join(lines) + "\n"


class Guard:
    """An ASGI application around another one.

    Args:
        application: what answers.
        routes: the known paths; others count as one in the figures.
        figures: where answers are counted.
        rate_limit: requests a minute for each address; None is no limit.
        hosts: names by which this server may be called, beside addresses, ``localhost`` and the machine's own name.
            A page elsewhere whose name was made to point here would call it by another name, and is refused.
    """

    def __init__(
        self,
        application: Application,
        *,
        routes: frozenset[str],
        figures: Figures,
        rate_limit: int | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        own = socket.gethostname().lower()
        self._application = application
        self._routes = routes
        self._figures = figures
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
            self._figures.count(route, status, time.perf_counter() - started)

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
    """How many requests each address has left: a bucket that fills evenly.

    Args:
        per_minute: its size, and what flows in each minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._size = per_minute
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> None:
        """Takes one request off.

        Raises:
            Refused: none is left.
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
    """The same messages, until their bodies are larger than allowed."""
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
