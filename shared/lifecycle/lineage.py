"""What came of a drop: its account, the event that says so, and the versions that were trained on its rows."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from shared.contract import catalog
from shared.errors import PermanentError
from shared.lifecycle.events import DataPrepared

if TYPE_CHECKING:
    from shared.adapters.registry import Version
    from shared.adapters.warehouse import Account
    from shared.lifecycle.services import Services

MOST_NEAR = 3


def model_of(drop: str) -> str:
    """The model that a drop's folder names.

    Raises:
        PermanentError: it names none.
    """
    model, slash, name = drop.partition("/")
    if not slash or not name:
        known = ", ".join(catalog.known_models())
        raise PermanentError(f'"{drop[:80]}" is no drop: it is named <model>/<file>.', f"Known models: {known}.")
    return catalog.model(model).name


def known_account(drop: str, services: Services) -> Account:
    """The account of a drop's newest generation.

    Raises:
        PermanentError: there is none; names the drops that are nearest.
    """
    model = model_of(drop)
    account = services.warehouse.account(model, drop)
    if account is None:
        names = list(dict.fromkeys(each.drop for each in services.warehouse.accounts(model)))
        raise PermanentError(f"{model} has no drop {drop[:200]!r}.", _known(drop, names))
    return account


def prepared(account: Account, *, same_as: str | None = None) -> DataPrepared:
    """The event that says what the account of a prepared drop holds.

    Raises:
        ValueError: a refused drop has no rows, and no times.
    """
    if account.first_event is None or account.last_event is None:
        raise ValueError(f"{account.drop}, generation {account.generation}, is {account.outcome} and has no rows")
    return DataPrepared(
        model=account.model,
        drop=account.drop,
        generation=account.generation,
        accepted=account.accepted,
        rejected=account.rejected,
        duplicate=account.duplicate,
        first_event_time=account.first_event.isoformat(),
        last_event_time=account.last_event.isoformat(),
        ignored_columns=account.ignored_columns,
        same_as=same_as,
    )


def trained_on(drop: str, services: Services) -> list[tuple[Version, int]]:
    """The versions that count and have learned from a drop's rows, oldest first, and from which generation of it."""
    versions = [each for each in services.registry.versions(model_of(drop)) if each.counts]
    seen = services.registry.drops(versions)
    return [(each, drops[drop]) for each, drops in zip(versions, seen, strict=True) if drop in drops]


def _known(drop: str, names: list[str]) -> str:
    if not names:
        return "It has none yet."
    # The folder is the same for all, and would make them all alike.
    files = {name.partition("/")[2]: name for name in names}
    near = get_close_matches(drop.partition("/")[2], files, n=MOST_NEAR, cutoff=0.6)
    return (
        f"Nearest: {', '.join(files[each] for each in near)}."
        if near
        else f"Known: {', '.join(names[:MOST_NEAR])}" + _more(names)
    )


def _more(names: list[str]) -> str:
    more = len(names) - MOST_NEAR
    return f" and {more} more." if more > 0 else "."
