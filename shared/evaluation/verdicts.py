"""Whether a challenger may serve: what was measured on the same rows, held against the model's policy.

A part of the rows is called `all`, `alike` (of drops that both versions have learned from, or neither), `news` (of
those that only the challenger has learned from), `older` (of drops before those judged), `slice_<name>` or
`drop_<number>`. What is missing or not a number speaks against the challenger, and doubt keeps the champion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.contract.metrics import Metric
from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import ALL, Part
from shared.evaluation.policy import KEEP, NOT_ENOUGH, PROMOTE, Verdict
from shared.evaluation.wording import listed, number, percent

# Said of a challenger for whom there is not enough evidence yet.
WAITS = "It waits for the next drop."
ALIKE, NEWS, OLDER, SLICE, DROP = "alike", "news", "older", "slice_", "drop_"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was measured, and how it has to be read.

    Attributes:
        rival: the version that the challenger was compared with; None is the baseline.
        level: the chance that either bound of an interval is wrong, after all that was tried before.
        drops: the drops judged, by the number in `drop_<number>`, newest first.
        news: those of them that only the challenger has learned from; on fresh drops none.
        odd: drops that the challenger has learned from and should not have, and why.
        overlap_rows: how many of the rows judged the challenger was trained on.
    """

    parts: Mapping[str, Part]
    rival: int | None
    level: float
    drops: Sequence[str] = ()
    news: Sequence[str] = ()
    odd: Mapping[str, str] = field(default_factory=dict)
    overlap_rows: float | None = None
    fault: str = field(default="")


def judge(spec: ModelSpec, evidence: Evidence) -> Verdict:
    """`promote`, `keep` or `not enough evidence`, and a sentence that says why with its numbers."""
    if fault := _fault(evidence):
        return Verdict(KEEP, fault)
    told = _told(spec, evidence)
    if verdict := _on_the_whole(spec, evidence, told):
        return verdict
    if evidence.rival is None:
        return Verdict(PROMOTE, f"{told}: it beats its baseline, and there is no champion yet.")
    return _beyond_the_whole(spec, evidence, told)


def tells(spec: ModelSpec, part: Part) -> bool:
    """Whether there is enough of a part to say anything."""
    return part.rows >= spec.policy.min_slice_rows and part.groups >= spec.policy.min_groups


def margin_of(spec: ModelSpec, name: str, part: Part) -> float | None:
    """The loss that the policy bears on a part, in the metric's unit; None where it bears none."""
    policy = spec.policy
    margins = {
        SLICE: (policy.slice_margin_relative, policy.slice_margin_absolute),
        DROP: (policy.drop_margin_relative, policy.drop_margin_absolute),
        OLDER: (policy.older_margin_relative, None),
    }
    for kind, (relative, absolute) in margins.items():
        if name.startswith(kind):
            return absolute if absolute is not None else relative * _reach(spec.metric, part)
    return None


def _on_the_whole(spec: ModelSpec, evidence: Evidence, told: str) -> Verdict | None:
    """What ends it at once: too few rows, no gain on all of them, or one that may be chance."""
    whole, least = evidence.parts[ALL], spec.policy.min_gain_relative
    if few := _too_few(spec, whole):
        return Verdict(NOT_ENOUGH, f"{told}; {few}.")
    if whole.gain <= 0:
        return _not_better(spec, evidence, told)
    if whole.bounds(evidence.level)[0] > least * _reach(spec.metric, whole):
        return None
    return Verdict(NOT_ENOUGH, f"{told}: that may be chance{_wanted(least)}.")


def _not_better(spec: ModelSpec, evidence: Evidence, told: str) -> Verdict:
    """Kept, unless the newest drop speaks for it: if the world has changed there, older drops are of another one."""
    newest = evidence.parts.get(f"{DROP}1")
    is_news = bool(evidence.drops) and evidence.drops[0] in evidence.news
    if not (is_news and newest and newest.is_known and tells(spec, newest) and newest.bounds(evidence.level)[0] > 0):
        return Verdict(KEEP, f"{told}: it is not better.")
    better = f"it is better on {evidence.drops[0]}, the newest drop ({_detail(spec, newest)})"
    return Verdict(NOT_ENOUGH, f"{told}; but {better}, which it was trained on. {WAITS}")


def _beyond_the_whole(spec: ModelSpec, evidence: Evidence, told: str) -> Verdict:
    """A gain on all rows is not enough: it has to hold on their parts."""
    worse, unclear = _slices(spec, evidence)
    if worse := [*worse, *_odd(spec, evidence)]:
        return Verdict(KEEP, f"{told}; but {listed(worse)}.")
    if doubts := [*unclear, *_news(spec, evidence), *_drops(spec, evidence), *_older(spec, evidence)]:
        return Verdict(NOT_ENOUGH, f"{told}; but {listed(doubts)}. {WAITS}")
    return Verdict(PROMOTE, f"{told}{_slices_hold(spec, evidence)}.")


def _fault(evidence: Evidence) -> str:
    whole = evidence.parts.get(ALL)
    because = f": {evidence.fault.rstrip('.')}" if evidence.fault else ""
    if whole is None:
        return f"There are no scores of the challenger and {_rival(evidence)} on the same rows{because}."
    if not whole.is_known:
        return f"The scores on {whole.rows:,.0f} rows are no numbers{because}: {_numbers(whole)}."
    if evidence.overlap_rows is None or math.isnan(evidence.overlap_rows):
        return "Nothing says whether the challenger was trained on the rows that it was judged on."
    if evidence.overlap_rows:
        return f"The challenger was trained on {evidence.overlap_rows:,.0f} of the rows that it was judged on."
    return ""


def _numbers(part: Part) -> str:
    return f"{part.challenger} and {part.rival}, standard error {part.error}"


def _too_few(spec: ModelSpec, part: Part) -> str:
    policy = spec.policy
    if part.rows < policy.min_holdout_rows:
        return f"the policy wants at least {policy.min_holdout_rows:,} rows"
    if part.groups < policy.min_groups:
        return f"the policy wants them to be of at least {policy.min_groups} {_groups(spec)}"
    return ""


def _slices(spec: ModelSpec, evidence: Evidence) -> tuple[list[str], list[str]]:
    """What speaks against it in slices with enough rows: where it is worse, and where it may be."""
    worse, unclear = [], []
    for name in spec.slices:
        part = evidence.parts.get(f"{SLICE}{name}")
        if part is None or not tells(spec, part):
            continue
        if not part.is_known:
            worse.append(f'the slice "{name}" has no scores to compare')
            continue
        margin = _borne(spec, f"{SLICE}{name}", part)
        if part.gain < -margin:
            worse.append(f'it is worse on the slice "{name}" ({_detail(spec, part)}; margin {number(margin)})')
        elif part.bounds(spec.policy.level)[0] <= -margin:
            unclear.append(f'it may be worse on the slice "{name}" ({_detail(spec, part)}; margin {number(margin)})')
    return worse, unclear


def _odd(spec: ModelSpec, evidence: Evidence) -> list[str]:
    """What has learned from poison may well be better than the champion, and still is not to be trusted."""
    if not evidence.odd:
        return []
    odd = listed([f"{drop} ({why})" for drop, why in evidence.odd.items()])
    is_for_a_person = spec.policy.odd_drops == "propose"
    how = "withdraw that, or promote it by hand" if is_for_a_person else "promote it by hand if it is the world"
    return [f"it has learned from what looks like no world that lasted: {odd}; {how}"]


def _news(spec: ModelSpec, evidence: Evidence) -> list[str]:
    """A gain only where the challenger has an advantage: poison and a change of the world look alike there."""
    if not evidence.news:
        return []
    part, rival = evidence.parts.get(ALIKE), f"version {evidence.rival}"
    only = f"the gain shows only on {listed(list(evidence.news))}, which it was trained on and {rival} was not"
    if part is None or not part.is_known or part.groups < spec.policy.min_groups:
        return [only]
    if part.bounds(evidence.level)[0] <= 0:
        return [f"{only}: on the other drops it is {_detail(spec, part)}"]
    return _beyond_alike(spec, evidence, part)


def _beyond_alike(spec: ModelSpec, evidence: Evidence, alike: Part) -> list[str]:
    """A small gain on the other drops does not vouch for a much larger one where only the challenger has learned."""
    own = {f"{DROP}{number}": drop for number, drop in enumerate(evidence.drops, 1) if drop in evidence.news}
    named = {NEWS: listed(list(evidence.news)), **own}
    parts = {drop: evidence.parts[name] for name, drop in named.items() if name in evidence.parts}
    most = alike.bounds(spec.policy.level)[1] / (_reach(spec.metric, alike) or math.inf)
    larger = [drop for drop, part in parts.items() if not _share_at_least(spec, part) <= most]
    if not larger:
        return []
    details = f"{_detail(spec, parts[larger[0]])}; on the others {_detail(spec, alike)}"
    return [
        f"its gain is larger on {larger[0]}, which only it was trained on, than the other drops explain ({details})"
    ]


def _share_at_least(spec: ModelSpec, part: Part) -> float:
    """Which share of what its rival lacks the challenger gains there; a day alone says nothing of that."""
    return part.bounds(spec.policy.level)[0] / (_reach(spec.metric, part) or math.inf)


def _drops(spec: ModelSpec, evidence: Evidence) -> list[str]:
    doubts = []
    for index, drop in enumerate(evidence.drops, 1):
        part = evidence.parts.get(f"{DROP}{index}")
        if part is None or not part.is_known or not tells(spec, part):
            continue
        margin = _borne(spec, f"{DROP}{index}", part)
        if part.bounds(spec.policy.level)[0] <= -margin:
            doubts.append(f"it may be worse on {drop} ({_detail(spec, part)}; margin {number(margin)})")
    return doubts


def _older(spec: ModelSpec, evidence: Evidence) -> list[str]:
    part = evidence.parts.get(OLDER)
    if part is None or not part.is_known or not tells(spec, part):
        return []
    is_worse = part.gain < -_borne(spec, OLDER, part)
    return [f"it is worse on older drops ({_detail(spec, part)})"] if is_worse else []


def _borne(spec: ModelSpec, name: str, part: Part) -> float:
    return margin_of(spec, name, part) or 0.0


def _reach(metric: Metric, part: Part) -> float:
    """What the rival lacks to a perfect score, in the metric's unit."""
    return abs(metric.perfect - part.rival)


def _slices_hold(spec: ModelSpec, evidence: Evidence) -> str:
    parts = {name: evidence.parts.get(f"{SLICE}{name}") for name in spec.slices}
    small = [name for name, part in parts.items() if part is None or not tells(spec, part)]
    unknown = f"too few rows to tell: {', '.join(small)}"
    if len(small) == len(parts):
        return f" ({unknown})" if small else ""
    return f"; no slice is worse{f' ({unknown})' if small else ''}"


def _told(spec: ModelSpec, evidence: Evidence) -> str:
    part, metric = evidence.parts[ALL], spec.metric.name.upper()
    scores = f"Its {metric} on {part.rows:,.0f} held-out rows is {number(part.challenger)}"
    return f"{scores}, {_rival(evidence)}'s {number(part.rival)}: {_gain(spec, part, evidence.level)}"


def _rival(evidence: Evidence) -> str:
    return "the baseline" if evidence.rival is None else f"version {evidence.rival}"


def _detail(spec: ModelSpec, part: Part) -> str:
    scores = f"{number(part.challenger)} after {number(part.rival)}"
    return f"{scores} on {part.rows:,.0f} rows, {_gain(spec, part, spec.policy.level)}"


def _gain(spec: ModelSpec, part: Part, level: float) -> str:
    reach = _reach(spec.metric, part)
    share = f"{percent(abs(part.gain) / reach)} " if reach else ""
    word = "no difference" if not part.gain else f"{share}{'better' if part.gain > 0 else 'worse'}"
    low, high = part.bounds(level)
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{word} (no interval: {part.groups:,.0f} {_groups(spec)})"
    interval = f"{percent(1 - 2 * level)} interval of the gain {number(low)} to {number(high)}"
    return f"{word} ({interval}, {part.groups:,.0f} {_groups(spec)})"


def _groups(spec: ModelSpec) -> str:
    return f"values of {spec.group}" if spec.group else "event days"


def _wanted(least: float) -> str:
    return f", and it has to be {percent(least)} better" if least else ""
