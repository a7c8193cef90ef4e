"""A virtual machine of the tests: a metadata server of its own, and its start script as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class VirtualMachine:
    """Runs its start script until that ends, or it is stopped."""

    def __init__(self, folder: Path, project: str, zone: str, instance: dict[str, Any]) -> None:
        self.items = {each["key"]: each["value"] for each in instance["metadata"]["items"]}
        self.values = {
            "instance/name": instance["name"],
            "instance/zone": f"projects/1/zones/{zone}",
            "instance/preempted": "FALSE",
            "instance/service-accounts/default/token": '{"access_token":"of-a-test","expires_in":3600}',
            "project/project-id": project,
            **{f"instance/attributes/{key}": value for key, value in self.items.items()},
        }
        self.changed = threading.Condition()
        self._server = _MetadataServer(self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.process = self._start(folder)

    def preempt(self) -> None:
        """Compute Engine tells that it will take the machine back."""
        with self.changed:
            self.values["instance/preempted"] = "TRUE"
            self.changed.notify_all()

    def is_up(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """What is left of it is killed, without a farewell."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(parents=True)
        script = folder / "startup.sh"
        script.write_text(self.items["startup-script"])
        # Like a machine, it inherits nothing of whoever has started it. Its Python is ours, without our packages.
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "GCE_METADATA_HOST": f"127.0.0.1:{self._server.server_port}",
            "TIDEWHEEL_MACHINE_FOLDER": str(folder / "tidewheel"),
            "NO_PROXY": "127.0.0.1",
        }
        said = (folder / "serial.log").open("wb")
        return subprocess.Popen(["bash", str(script)], env=env, stdout=said, stderr=said, start_new_session=True)


class _MetadataServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, machine: VirtualMachine) -> None:
        super().__init__(("127.0.0.1", 0), _MetadataHandler)
        self.machine = machine

    def handle_error(self, *_: Any) -> None:
        """Who is killed hangs up."""


class _MetadataHandler(BaseHTTPRequestHandler):
    """Answers as the real one does: not without its header, and when something has changed if that is asked for."""

    server: _MetadataServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.headers.get("Metadata-Flavor") != "Google":
            return self.send_error(403)
        key = url.path.removeprefix("/computeMetadata/v1/")
        if key not in self.server.machine.values:
            return self.send_error(404)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return self._send(self._value(key, query))

    def _value(self, key: str, query: dict[str, str]) -> str:
        machine = self.server.machine
        before = machine.values[key]
        if query.get("wait_for_change") == "true":
            with machine.changed:
                machine.changed.wait_for(lambda: machine.values[key] != before, float(query.get("timeout_sec", "60")))
        return machine.values[key]

    def _send(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
