"""`python -m deploy.gcp.tables`: makes the tables that belong to no model, where they are missing.

Functions that only read find them then; those of a model are made by preprocess, at its first drop.
"""

from __future__ import annotations

from shared.adapters.warehouse import Warehouse
from shared.errors import TidewheelError
from shared.settings import Settings


def main() -> None:
    """Make them, in the project that the environment names, by whoever is logged in."""
    try:
        settings = Settings.from_env()
        Warehouse(settings).prepare_common()
    except TidewheelError as error:
        raise SystemExit(str(error)) from error
    print(f"The tables of {settings.project}.{settings.dataset} are there.")


if __name__ == "__main__":
    main()
