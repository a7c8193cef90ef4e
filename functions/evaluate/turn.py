"""Whose turn it is: drops of one model that come together are evaluated in the order of their data's time.

Otherwise a backfill would hold the champion's decline against the wrong months. A drop waits for those that are still
being prepared, since nobody knows yet what time they are of, and for those before it that are prepared and not
evaluated. What has got stuck holds nobody up for ever: a drop that nobody is at any more, or that takes too long.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from shared.adapters.warehouse import Account
from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import DataPrepared, DropReceived
from shared.lifecycle.lineage import prepared
from shared.lifecycle.services import Services

# Longer than the pauses of a message that comes back: whoever gives no sign of life for so long does not come any more.
STUCK = timedelta(minutes=5)
# The evaluation of a backfill may take so long, and a drop that fails again and again holds the others up no longer.
PATIENCE = timedelta(minutes=30)
WAIT_SECONDS = 4.0
PAUSE_SECONDS = 0.5


def await_turn(event: DataPrepared, services: Services) -> list[Account]:
    """Wait a little for the drops that come first; the accounts of all drops, newest data first.

    Raises:
        PassingError: they take longer, and this one comes back later.
        PermanentError: there is no such drop.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        accounts = services.warehouse.accounts(event.model)
        account_of(event, accounts)
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
    """A drop whose rows end before this one's, and that was prepared of late and is to be evaluated yet."""
    mine, since = account_of(event, accounts), datetime.now(UTC) - PATIENCE
    for account in accounts:
        if account.outcome != "prepared" or account.withdrawn or account.prepared_at < since:
            continue
        is_before = (last_event(account), account.drop) < (last_event(mine), mine.drop)
        if is_before and not services.ledger.is_done("evaluate", prepared(account)) and _lives(account, services):
            return account.drop
    return None


def _lives(account: Account, services: Services) -> bool:
    """Whether a drop was prepared, or its evaluation tried, just now: the longer the line, the longer its end waits."""
    since = datetime.now(UTC) - STUCK
    if account.prepared_at > since:
        return True
    sign = services.ledger.last_sign("evaluate", prepared(account))
    return sign is not None and sign > since


def last_event(account: Account) -> datetime:
    """Until when the rows of a prepared drop reach."""
    return datetime.fromisoformat(prepared(account).last_event_time)


def account_of(event: DataPrepared, accounts: list[Account]) -> Account:
    """What the warehouse itself says of the drop: a message by hand may say anything.

    Raises:
        PermanentError: no such rows were prepared.
    """
    for account in accounts:
        if (account.drop, account.generation, account.outcome) == (event.drop, event.generation, "prepared"):
            return account
    error = f"no rows of {event.drop[:200]!r}, generation {event.generation}, are prepared for {event.model}."
    raise PermanentError(error, 'See "tidewheel why --drop", or drop the file again.')
