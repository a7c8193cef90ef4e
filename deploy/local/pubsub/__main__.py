"""`python -m deploy.local.pubsub --port N --data FILE`: our Pub/Sub, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sqlite3
import sys
from pathlib import Path

from deploy.local.pubsub.broker import Broker
from deploy.local.pubsub.checks import is_loopback
from deploy.local.pubsub.server import make_server
from deploy.local.pubsub.store import Store

GRACE_SECONDS = 0.5


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    options = read_options()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        asyncio.run(serve(options.host, options.port, options.data))
    except sqlite3.OperationalError as error:
        sys.exit(f"{options.data} cannot be used: {error}. Does another Pub/Sub server have it?")
    except RuntimeError as error:
        sys.exit(f"Nothing can listen on {options.host}:{options.port}: {error}")


async def serve(host: str, port: int, data: Path) -> None:
    """Say where when ready, and leave within about a second when told to."""
    store = Store(data, asyncio.get_running_loop())
    try:
        broker = Broker(store)
        server = make_server(broker)
        bound = server.add_insecure_port(f"{host}:{port}")
        await server.start()
        print(f"listening on {host}:{bound}", flush=True)
        await _told_to_stop()
        await server.stop(GRACE_SECONDS)
        await broker.close()
    finally:
        await asyncio.to_thread(store.close)


async def _told_to_stop() -> None:
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    await told.wait()


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.pubsub", description=__doc__)
    parser.add_argument("--host", type=loopback, default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, help="the file that messages are kept in")
    return parser.parse_args()


def loopback(host: str) -> str:
    """A host that only this machine can reach: the server asks nobody for a password."""
    if not is_loopback(host):
        raise argparse.ArgumentTypeError(f"{host} can be reached from outside; use 127.0.0.1.")
    return host


if __name__ == "__main__":
    main()
