"""What holds for all tests."""

from __future__ import annotations

import os

# gRPC's own care for forks aborts a child now and then when channels of other tests are open in this process; the parts
# that the tests start are new programs, and use nothing of it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
