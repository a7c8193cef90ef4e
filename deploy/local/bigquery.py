"""bqemulator as it is, but it does not ask the network for DuckDB's avro extension, which nobody here needs."""

from __future__ import annotations

from bqemulator.cli import main
from bqemulator.storage.engine import DuckDBEngine


def ask_nobody(self: DuckDBEngine) -> None:
    """Where the network swallows packets, asking would hold up every start."""


if __name__ == "__main__":
    DuckDBEngine._load_format_extensions = ask_nobody  # type: ignore[method-assign]  # It has no switch for this.
    main()
