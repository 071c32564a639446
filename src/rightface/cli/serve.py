"""`rightface serve`: the HTTP server. Prints one line when it is ready."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Annotated

import typer

from rightface.cli.output import Data, reporting
from rightface.errors import SettingsError
from rightface.service import Service


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command()(serve)


def serve(
    data: Data,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0: any free one.", min=0, max=65535)] = 8017,
) -> None:
    """Serve Rekognition's face API, the ledger, the policy, health and metrics."""
    from rightface.api.app import create_app
    from rightface.api.memory import keep_little
    from rightface.api.server import announcing

    keep_little()
    with reporting(), _listen(host, port) as listening, Service.open(data, serving=True) as service:
        service.prepare()
        shown = f"[{host}]" if ":" in host else host
        line = f"rightface ready on http://{shown}:{listening.getsockname()[1]}"
        server = announcing(create_app(service), lambda: typer.echo(line))
        # uvicorn raises the signal that stopped it once more: then to leave in good order.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        asyncio.run(server.serve(sockets=[listening]))


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}, port {port}.",
            why=str(error.strerror or error),
            mend="Choose another --port, or stop what uses it.",
        ) from error
