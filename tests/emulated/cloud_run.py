"""What stands before a private service on Google Cloud, as real servers: who issues ID tokens, and who checks them."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "worker@project.iam.gserviceaccount.com"
ISSUER = "https://accounts.google.com"
# Whom a person's token from gcloud is for; Cloud Run takes it besides its own address.
GCLOUD = "32555940559.apps.googleusercontent.com"
# What Cloud Run takes of one HTTP/1 request.
MOST_BYTES = 32 * 2**20
HOP = ("connection", "keep-alive", "transfer-encoding", "host", "content-length")


@dataclass
class Issuer:
    """Signs tokens as Google does (RS256), for as long as they are to live."""

    life_seconds: float = 3600.0
    issued: list[str] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def token(self, audience: str) -> str:
        now = time.time()
        claims: dict[str, object] = {"iss": ISSUER, "aud": audience, "sub": "1", "email": EMAIL, "jti": uuid4().hex}
        claims |= {"iat": int(now), "exp": math.ceil(now + self.life_seconds)}
        self.issued.append(jwt.encode(claims, self.key, algorithm="RS256"))
        return self.issued[-1]


@dataclass
class Gate:
    """Lets through to the server behind it who has a valid token; what it has seen."""

    issuer: Issuer
    behind: int
    port: int = 0
    audience: str = ""
    let_in: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    # The method of the next request whose token is taken for revoked.
    refuse_next: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refusal(self, header: str | None, method: str) -> int | None:
        """Cloud Run says 403 to nobody and 401 to a wrong token."""
        if not header:
            return 403
        token = header.removeprefix("Bearer ")
        try:
            jwt.decode(
                token,
                self.issuer.key.public_key(),
                algorithms=["RS256"],
                audience=[self.audience or self.url, GCLOUD],
                issuer=ISSUER,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.InvalidTokenError:
            return 401
        if method == self.refuse_next:
            self.refuse_next = ""
            return 401
        self.let_in.append(token)
        return None


class _Metadata(BaseHTTPRequestHandler):
    """The metadata server, as far as google-auth asks it."""

    issuer: Issuer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/":
            self._answer("", "text/html")
        elif self.headers.get("Metadata-Flavor") != "Google":
            self.send_error(403)
        elif asked.path.endswith("/identity"):
            self._answer(self.issuer.token(parse_qs(asked.query)["audience"][0]), "text/html")
        elif asked.path.endswith("/project/project-id"):
            self._answer("tidewheel-test", "application/text")
        elif "/service-accounts/default/" in asked.path:
            self._answer(json.dumps({"email": EMAIL, "scopes": [], "aliases": ["default"]}), "application/json")
        else:
            self.send_error(404)

    def _answer(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Quietly."""


class _Proxy(BaseHTTPRequestHandler):
    """Asks for a token before anything else, then hands on."""

    gate: Gate
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if status := self.gate.refusal(self.headers.get("Authorization"), self.command):
            self.gate.refused.append(status)
            return self._answer(
                status, {"Content-Type": "text/html"}, b"<html>Your client does not have permission.</html>"
            )
        if len(body) > MOST_BYTES:
            return self._answer(
                413, {"Content-Type": "text/html"}, b"<html>Your client issued a request that was too large.</html>"
            )
        there = http.client.HTTPConnection("127.0.0.1", self.gate.behind, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        there.request(self.command, self.path, body, kept)
        answer = there.getresponse()
        named = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
        self._answer(answer.status, named, answer.read())
        there.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], name: str, what: Any) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {name: what}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def metadata_server(issuer: Issuer) -> Iterator[str]:
    """Issues tokens; its address, as GCE_METADATA_HOST has it."""
    with _serving(_Metadata, "issuer", issuer) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def gate(issuer: Issuer, behind: int) -> Iterator[Gate]:
    """Stands before a server."""
    standing = Gate(issuer, behind)
    with _serving(_Proxy, "gate", standing) as port:
        standing.port = port
        yield standing
