"""Compute Engine as far as it is used here: instances from a template, in zones, with all that may go wrong.

Written after its REST reference; the official client talks to it. What a request lists takes the place of what the
template lists (RFC 7396), names are one to a zone, and errors come at once or only with the operation.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.emulated.virtual_machine import VirtualMachine

NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
Json = dict[str, Any]
Key = tuple[str, str]


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


@dataclass
class Faults:
    """What goes wrong from now on."""

    stockout: set[str] = field(default_factory=set)
    denied: str = ""
    away: int = 0
    # So many answers are lost, to requests that are carried out.
    lost: int = 0
    # Of each verb: status, reason and message of what is said to it.
    refused: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    unreachable: str = ""
    slow_seconds: float = 0.0
    template_gone: bool = False
    no_zone: str = ""
    no_type: set[str] = field(default_factory=set)


class Cloud:
    """What there is, and how it changes."""

    def __init__(self, folder: Path | None = None) -> None:
        self.faults = Faults()
        self.templates: dict[str, Json] = {}
        self.instances: dict[Key, Json] = {}
        self.operations: dict[str, Json] = {}
        self.machines: dict[Key, VirtualMachine] = {}
        self.inserted: list[Json] = []
        # Without a folder, machines are entries in a list.
        self.folder = folder
        self.url = ""
        self._lock, self._ids = threading.RLock(), count(1)

    def insert(self, project: str, zone: str, body: Json, template: str) -> Json:
        """An instance from a template: at first being provisioned, and there when its operation is done."""
        self._check(f"compute.instances.create' permission for 'projects/{project}/zones/{zone}/instances")
        if zone == self.faults.no_zone:
            raise Refused(404, "notFound", f"The resource 'projects/{project}/zones/{zone}' was not found")
        if zone in self.faults.no_type:
            said = f"Machine type with name 'e2-standard-4' does not exist in zone '{zone}'."
            raise Refused(400, "invalid", f"Invalid value for field 'resource.machineType': {said}")
        if self.faults.template_gone:
            self.templates.clear()
        properties = self.template(template.rpartition("/")[2])["properties"]
        instance = merged(properties, body)
        if not NAME.fullmatch(instance["name"]):
            raise Refused(400, "invalid", f"Invalid value for field 'resource.name': '{instance['name']}'.")
        with self._lock:
            key = (zone, instance["name"])
            if key in self.instances:
                raise Refused(409, "alreadyExists", f"The resource '{key[1]}' already exists")
            own = {"status": "PROVISIONING", "zone": f"projects/{project}/zones/{zone}", "creationTimestamp": _now()}
            self.instances[key] = instance | own | {"id": str(next(self._ids))}
        return self._operation(project, key, lambda operation: self._provisioned(project, key, operation))

    def delete(self, project: str, zone: str, name: str) -> Json:
        """Take an instance away."""
        self._check(f"compute.instances.delete' permission for 'projects/{project}/zones/{zone}/instances/{name}")
        key = (zone, name)
        if key not in self.instances:
            raise Refused(404, "notFound", f"The resource '{name}' was not found")
        self.instances[key]["status"] = "STOPPING"
        return self._operation(project, key, lambda operation: self._deleted(key, operation))

    def template(self, name: str) -> Json:
        """What instances are made from."""
        self._check("compute.instanceTemplates.get' permission for 'x")
        if name not in self.templates:
            raise Refused(404, "notFound", f"The resource 'projects/p/global/instanceTemplates/{name}' was not found")
        return self.templates[name]

    def listed(self, wanted: str, page: str) -> Json:
        """All instances with a label, a zone on each page."""
        self._check("compute.instances.list' permission for 'x")
        label, _, value = wanted.removeprefix("labels.").partition("=")
        items: Json = {"zones/empty": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}
        with self._lock:
            for (zone, _), instance in self.instances.items():
                if instance.get("labels", {}).get(label) == value:
                    items.setdefault(f"zones/{zone}", {"instances": []})["instances"].append(instance)
        if self.faults.unreachable:
            items[f"zones/{self.faults.unreachable}"] = {"warning": {"code": "UNREACHABLE"}}
        at = int(page or 0)
        answer: Json = {"items": dict([list(items.items())[at]])}
        return answer | ({"nextPageToken": str(at + 1)} if at + 1 < len(items) else {})

    def preempt(self, zone: str, name: str, notice_seconds: float = 30.0) -> None:
        """Tell a Spot machine, and after the notice take it away as its template says."""
        instance = self.instances[zone, name]
        assert instance["scheduling"]["provisioningModel"] == "SPOT"
        assert instance["scheduling"]["instanceTerminationAction"] == "DELETE"
        if (zone, name) in self.machines:
            self.machines[zone, name].preempt()
        self._remove_later(notice_seconds, (zone, name))

    def age(self, zone: str, name: str, seconds: float) -> None:
        """Have a machine been there for so long."""
        self.instances[zone, name]["creationTimestamp"] = _now(-seconds)

    def remove(self, key: Key) -> None:
        """It is gone, whatever it was doing."""
        with self._lock:
            self.instances.pop(key, None)
            machine = self.machines.pop(key, None)
        if machine:
            machine.stop()

    def end(self) -> None:
        """Take everything away."""
        for key in list(self.instances):
            self.remove(key)

    def _remove_later(self, seconds: float, key: Key) -> None:
        """Not what may have its name by then."""
        instance = self.instances[key]
        _later(seconds, lambda: self.remove(key) if self.instances.get(key) is instance else None)

    def _check(self, permission: str) -> None:
        if self.faults.denied and self.faults.denied in permission:
            raise Refused(403, "forbidden", f"Required '{permission}'")
        if self.faults.away:
            self.faults.away -= 1
            raise Refused(503, "backendError", "Backend Error")

    def _operation(self, project: str, key: Key, work: Any) -> Json:
        name, zone = f"operation-{len(self.operations)}", f"projects/{project}/zones/{key[0]}"
        target = self.instances[key].get("id", "0")
        operation: Json = {"name": name, "status": "RUNNING", "zone": zone, "targetId": target}
        self.operations[name] = operation

        def finish() -> None:
            work(operation)
            operation["status"] = "DONE"

        _later(self.faults.slow_seconds, finish)
        return dict(operation)

    def _deleted(self, key: Key, operation: Json) -> None:
        if key not in self.instances:
            message = f"The resource '{key[1]}' was not found"
            operation["error"] = {"errors": [{"code": "RESOURCE_NOT_FOUND", "message": message}]}
        self.remove(key)

    def _provisioned(self, project: str, key: Key, operation: Json) -> None:
        if key[0] in self.faults.stockout:
            self.instances.pop(key, None)
            message = f"The zone '{key[0]}' does not have enough resources available to fulfill the request."
            operation["error"] = {"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": message}]}
            operation["httpErrorStatusCode"] = 503
            return
        instance = self.instances.get(key)
        if instance is None:
            # Deleted while it was being made.
            return
        self.inserted.append(instance)
        instance["status"] = "RUNNING"
        if self.folder:
            folder = self.folder / f"{len(self.inserted)}-{key[1]}"
            self.machines[key] = VirtualMachine(folder, project, key[0], instance)
            self._remove_later(float(instance["scheduling"]["maxRunDuration"]["seconds"]), key)


def merged(template: Any, patch: Any) -> Any:
    """JSON merge patch: objects are merged, everything else takes the place of what was there."""
    if not isinstance(template, dict) or not isinstance(patch, dict):
        return patch
    return template | {name: merged(template.get(name), value) for name, value in patch.items()}


def _later(seconds: float, work: Any) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def _now(more_seconds: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + more_seconds, UTC).isoformat()


class _Handler(BaseHTTPRequestHandler):
    """Paths and verbs."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        try:
            self._refuse()
            answer = self._route(body)
            if self.server.cloud.faults.lost and self.command != "GET":
                self.server.cloud.faults.lost -= 1
                raise Refused(503, "backendError", "The answer is lost.")
            self._send(200, answer)
        except Refused as error:
            self._send(error.status, error.body)

    def _refuse(self) -> None:
        if said := self.server.cloud.faults.refused.get(self.command):
            raise Refused(*said)

    def _route(self, body: Json) -> Json:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        cloud, parts = self.server.cloud, url.path.removeprefix("/compute/v1/projects/").split("/")
        match [self.command, *parts]:
            case ["POST", project, "zones", zone, "instances"]:
                return cloud.insert(project, zone, body, query["sourceInstanceTemplate"])
            case ["DELETE", project, "zones", zone, "instances", name]:
                return cloud.delete(project, zone, name)
            case ["GET", _, "aggregated", "instances"]:
                return cloud.listed(query["filter"], query.get("pageToken", ""))
            case ["GET", _, "global", "instanceTemplates", name]:
                return cloud.template(name)
            case ["GET", _, "zones", _, "operations", name]:
                return cloud.operations[name]
        raise Refused(404, "notFound", f"Nothing at {self.command} {url.path}")

    def _send(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cloud = cloud

    def handle_error(self, *_: Any) -> None:
        """Who is killed hangs up."""


@contextmanager
def compute(folder: Path | None = None) -> Iterator[Cloud]:
    """A Compute Engine until the end of the block; with a folder, its machines run their start scripts in there."""
    cloud = Cloud(folder)
    server = _Server(cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cloud
    finally:
        cloud.end()
        server.shutdown()
        server.server_close()
