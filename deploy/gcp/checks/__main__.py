"""`python -m deploy.gcp.checks [FOLDER]`: says what is wrong with the Terraform files, without a cloud or a network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.gcp.checks import apis, delivery, grants, known, order, promises, quotas, schema, services, tidy
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Plan
from deploy.gcp.checks.schema import SCHEMA, Schema
from shared.errors import PermanentError

FOLDER = Path(__file__).resolve().parents[1]


def check(folder: Path, provider: Schema) -> Iterator[Finding]:
    """Everything that the checks find in a folder's files."""
    yield from known.check_files(folder)
    plan = Plan.of(folder)
    refused = list(schema.check_arguments(plan, provider))
    yield from refused
    if refused:
        # What lacks something, or has it elsewhere, cannot be asked what it says.
        return
    yield from schema.check_references(plan, provider)
    yield from delivery.check(plan)
    yield from services.check(plan)
    yield from quotas.check(plan)
    yield from grants.check(plan)
    yield from apis.check(plan)
    yield from order.check(plan)
    yield from promises.check(plan)
    yield from known.check(plan)
    yield from tidy.check(plan, provider)


def main() -> int:
    """0 if nothing is wrong."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    if not SCHEMA.exists():
        print(f'{SCHEMA} is not there. "make check" makes it.')
        return 2
    try:
        findings = list(check(folder, Schema.read()))
    except PermanentError as error:
        print(error)
        return 1
    print("\n".join(map(str, findings)) or f"{folder.name}: nothing is wrong.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
