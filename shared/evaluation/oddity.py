"""Drops that no change of the world explains, since what they showed was over with the next one.

On its first day poison looks like a change of the world: the version in production fails, and one that has learned from
the drop shines. A change lasts. Poison does not: on the next drop the old version is as good as it was, or the new
version's gain is gone. What has learned from such a drop serves only if a person wants it to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import Part
from shared.evaluation.wording import percent

# A version that recovers after longer than this may have met another world for a while.
LATER_DROPS = 3


def collapsed(
    spec: ModelSpec, skills: Sequence[tuple[str, float]], days: Mapping[str, int] | None = None
) -> dict[str, str]:
    """The drops on which a version failed, though it was better again soon after, and why each is odd.

    Args:
        skills: of one version, on drops that it has not learned from, oldest data first.
        days: how many event days a drop spans, if not enough: days differ, and a drop of one has to fail by more.
    """
    odd: dict[str, str] = {}
    for place, (drop, skill) in enumerate(skills, 1):
        for later, recovered in skills[place : place + LATER_DROPS]:
            fewest = min((days or {}).get(each, spec.policy.min_groups) for each in (drop, later))
            if recovered - skill > _limit(spec, fewest):
                odd[drop] = f"a version's skill was {skill:.2f} there, and {recovered:.2f} on {later}, which came later"
    return odd


def _limit(spec: ModelSpec, days: int) -> float:
    """By how much a skill differs that is of these days: the mean of fewer varies as one over their square root."""
    return spec.policy.odd_skill * math.sqrt(max(1.0, spec.policy.min_groups / max(days, 1)))


def unconfirmed(spec: ModelSpec, own: Mapping[str, Part], fresh: Part) -> dict[str, str]:
    """The drops that a challenger has learned from, and on which its gain is out of all proportion to later ones.

    Args:
        own: the challenger beside its rival on the held-out rows of drops that only it has learned from.
        fresh: the same two on drops that neither has learned from.
    """
    odd: dict[str, str] = {}
    least, there = spec.policy.odd_gain_relative, fresh.bounds(spec.policy.level)[1] / _reach(spec, fresh)
    for drop, part in own.items():
        here = part.bounds(spec.policy.level)[0] / _reach(spec, part)
        # Being worse on later drops is no oddity of this one.
        if here - max(there, 0.0) > least:
            gains = [percent(each.gain / _reach(spec, each)) for each in (part, fresh)]
            odd[drop] = f"the challenger's gain was {gains[0]} there, and {gains[1]} on drops that came later"
    return odd


def at_a_loss(spec: ModelSpec, trained: Mapping[str, float], fresh: Mapping[str, float]) -> str:
    """Why a win on new drops says little: the winner does so much worse there than before that they may be poisoned.

    Args:
        trained: the challenger's metrics on the held-out rows of when it was trained; `fresh` those on the new drops.
    """
    before, now = (metrics.get("holdout_skill", math.nan) for metrics in (trained, fresh))
    if not (math.isfinite(before) and math.isfinite(now)):
        return f"nothing says how its own skill is there ({now:.2f}) beside what it was ({before:.2f})"
    if before - now <= spec.policy.odd_skill:
        return ""
    return f"its own skill is {now:.2f} there and was {before:.2f}, so that these rows may say little of the world"


def _reach(spec: ModelSpec, part: Part) -> float:
    """What the rival lacks to a perfect score; never nothing."""
    return abs(spec.metric.perfect - part.rival) or 1e-12
