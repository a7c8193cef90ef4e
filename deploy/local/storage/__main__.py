"""`python -m deploy.local.storage --port N --data DIR`: the emulated Cloud Storage, until it is told to stop."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import signal
import threading
from pathlib import Path

from deploy.local.storage.notifications import Announcer
from deploy.local.storage.objects import Objects
from deploy.local.storage.server import StorageServer


def main() -> None:
    """Serve until SIGTERM."""
    options = read_options()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # The emulator warns about each of its own answers.
    logging.getLogger("gcp_storage_emulator").setLevel(logging.ERROR)
    announcer = Announcer(options.pubsub_host, options.pubsub_topic) if options.pubsub_topic else None
    on_announce = announcer.wake if announcer else lambda: None
    objects = Objects(options.data, set(options.notify_bucket), on_announce, options.rate_limit)
    server = StorageServer(options.host, options.port, objects)
    if announcer:
        announcer.follow(objects.catalog)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    # Whoever writes at this moment is let finish.
    objects.lock.acquire()


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.storage", description=__doc__)
    parser.add_argument("--host", type=loopback, default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="where objects are kept")
    parser.add_argument("--pubsub-host", help="host:port of the Pub/Sub server")
    parser.add_argument("--pubsub-topic", help="projects/P/topics/T, which new objects are announced on")
    parser.add_argument("--notify-bucket", action="append", default=[], help="a bucket whose new objects are announced")
    parser.add_argument("--rate-limit", action="store_true", help="answer 429 to two updates of an object in a second")
    options = parser.parse_args()
    if options.pubsub_topic and not (options.pubsub_host and options.notify_bucket):
        parser.error("--pubsub-topic needs --pubsub-host and at least one --notify-bucket.")
    if options.notify_bucket and not options.pubsub_topic:
        parser.error("--notify-bucket needs --pubsub-topic: say where to announce.")
    return options


def loopback(host: str) -> str:
    """A host that only this machine can reach: the emulator asks nobody for a password."""
    if not ipaddress.ip_address(host).is_loopback:
        raise argparse.ArgumentTypeError(f"{host} can be reached from outside; use 127.0.0.1.")
    return host


if __name__ == "__main__":
    main()
