"""Whose turn it is: drops of one model that come together are evaluated in the order of their data's time.

Otherwise a backfill would hold the champion's decline against the wrong months. A drop waits for those that are still
being prepared, since nobody knows yet what time they are of, and for those before it that are prepared and not
evaluated. What has got stuck holds nobody up for ever.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from shared.adapters.warehouse import Account
from shared.errors import PassingError
from shared.lifecycle.events import DataPrepared, DropReceived
from shared.lifecycle.services import Services

STUCK = timedelta(minutes=5)
WAIT_SECONDS = 4.0
PAUSE_SECONDS = 0.5


def await_turn(event: DataPrepared, services: Services) -> list[Account]:
    """Wait a little for the drops that come first; the accounts of all drops, newest data first.

    Raises:
        PassingError: they take longer, and this one comes back later.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        accounts = services.warehouse.accounts(event.model)
        first = _in_preparation(event, accounts, services) or _earlier(event, accounts, services)
        if first is None:
            return accounts
        if time.monotonic() > deadline:
            raise PassingError(f"{event.drop} waits for its turn: {first} comes first.")
        time.sleep(PAUSE_SECONDS)


def _in_preparation(event: DataPrepared, accounts: list[Account], services: Services) -> str | None:
    """A drop that has landed, and of which nothing is known yet."""
    bucket, since = services.settings.landing_bucket, datetime.now(UTC) - STUCK
    known = {(account.drop, account.generation) for account in accounts}
    for name, generation, landed in services.storage.objects(bucket, f"{event.model}/"):
        if landed > since and (name, generation) not in known:
            received = DropReceived(bucket=bucket, name=name, generation=generation)
            if not services.ledger.is_done("preprocess", received):
                return name
    return None


def _earlier(event: DataPrepared, accounts: list[Account], services: Services) -> str | None:
    """A drop whose rows end before this one's, and that was prepared just now but is not evaluated yet."""
    until, since = datetime.fromisoformat(event.last_event_time), datetime.now(UTC) - STUCK
    for account in accounts:
        mine = (account.drop, account.generation) == (event.drop, event.generation)
        if mine or account.withdrawn or account.last_event is None or account.prepared_at < since:
            continue
        if (account.last_event, account.drop) < (until, event.drop) and not _is_evaluated(account, services):
            return account.drop
    return None


def _is_evaluated(account: Account, services: Services) -> bool:
    prepared = DataPrepared(
        model=account.model, drop=account.drop, generation=account.generation,
        accepted=0, rejected=0, duplicate=0, first_event_time="", last_event_time="",
    )  # fmt: skip
    return services.ledger.is_done("evaluate", prepared)
