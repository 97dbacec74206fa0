"""serve: the application behind uvicorn, with messages about its address and about who can reach it."""

from __future__ import annotations

import gc
import ipaddress
import socket
import sys
import threading
import webbrowser
from typing import Any

from ..recommend.recommender import Recommender
from .app import create_app


def serve(
    recommender: Recommender,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    open_browser: bool = False,
    rate_limit: int | None = None,
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        recommender: answers the requests.
        host: address to listen on; 127.0.0.1 lets only this machine in.
        port: port to listen on.
        open_browser: open the page when the server is up.
        rate_limit: requests a minute for each address. When left out, 600 where other machines can reach the server,
            and no limit otherwise.

    Raises:
        ValueError: the address cannot be listened on; the message says why.
    """
    import uvicorn

    alone = _is_loopback(host)
    if rate_limit is None and not alone:
        rate_limit = 600
    listening = _listen(host, port)
    app = create_app(recommender, rate_limit=rate_limit, hosts=frozenset({host.lower()}))
    gc.collect()
    gc.freeze()  # the model stays in memory; collecting it would delay an answer by a tenth of a second
    port = listening.getsockname()[1]
    shown = f"[{host}]" if ":" in host else "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
    address = f"http://{shown}:{port}"
    if not alone:
        sys.stderr.write(
            f"Anybody who can reach {host} may use this server, without a password and without encryption, at most "
            f"{rate_limit} requests a minute each.\n"
        )
    sys.stdout.write(f"Serving    {address} (Ctrl-C ends it)\n")
    sys.stdout.flush()
    if open_browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    with _one_thread_each():
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
        )
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        why = str(error).rstrip(".")
        raise ValueError(
            f"{host} port {port} cannot be listened on: {why}. Give another --port (1 to 65535) or --host."
        ) from None
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one_thread_each() -> Any:
    """Limits BLAS to one thread: each request has small arrays, and the server has threads of its own."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
