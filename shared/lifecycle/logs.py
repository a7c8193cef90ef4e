"""What a function says: sentences on a laptop, and on Cloud Run the JSON that Cloud Logging understands."""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import cache

FIELDS = ("step", "story")


class CloudFormatter(logging.Formatter):
    """One JSON object a line, with its severity and the fields that a query may ask for."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = {"severity": record.levelname, "message": super().format(record), "logger": record.name}
        return json.dumps(said | {name: getattr(record, name) for name in FIELDS if hasattr(record, name)})


@cache
def log_to_stdout() -> None:
    """Say on standard output what `log.info` is told; once per process."""
    handler = logging.StreamHandler(sys.stdout)
    in_cloud = "K_SERVICE" in os.environ
    handler.setFormatter(CloudFormatter() if in_cloud else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
