"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# gRPC's own care for forks aborts a child now and then when channels of other tests are open in this process; the parts
# that the tests start are new programs, and use nothing of it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
PRISTINE = dict(os.environ)
# Servers that serve several files; each has an `env` that says where they are.
SHARED = ("laptop", "whole_project")


@pytest.fixture(scope="module", autouse=True)
def environment_of_its_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """A file sees its own servers only: those of another live as long as the session, and would answer for them."""
    before, items = dict(os.environ), request.session.items
    used = {name for item in items if item.path == request.path for name in getattr(item, "fixturenames", ())}
    of_servers = [request.getfixturevalue(name).env for name in SHARED if name in used]
    os.environ.clear()
    os.environ.update(PRISTINE)
    for env in of_servers:
        os.environ.update(env)
    yield
    os.environ.clear()
    os.environ.update(before)
