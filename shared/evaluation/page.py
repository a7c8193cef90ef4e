"""The page that every training keeps beside its run, for people; it has everything in it, and no script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from shared.evaluation import captions, plots
from shared.evaluation.report import Report, name_of, unit, verdict
from shared.evaluation.verdicts import DROP
from shared.evaluation.wording import number, percent

PAGES = Path(__file__).parent / "pages"
PRODUCTION, CHALLENGER, CHAMPION, BASELINE = "production", "challenger", "champion", "baseline"
NOTHING = "\N{EN DASH}"
Points = list[tuple[float, float | None]]


def render(report: Report) -> str:
    """The page."""
    import jinja2

    loader = jinja2.FileSystemLoader(PAGES)
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    pages.filters |= {"number": _number, "percent": percent}
    pages.globals |= {"plot": plots, "name_of": name_of, "isfinite": math.isfinite}
    bars = captions.bars_of(report.spec, report.tables[report.rival])
    return pages.get_template("report.html").render(
        report=report,
        spec=report.spec,
        unit=unit(report.spec),
        verdict=verdict(report),
        gains=plots.gains(bars),
        gains_in_words=captions.in_words(report.tables[report.rival], report.rival_name),
        times=_times(report),
        time_in_words=_time_in_words(report),
        residuals=_residuals(report),
        residuals_in_words=captions.residuals_in_words(report.spec, report.residuals) if report.residuals else "",
    )


def _times(report: Report) -> dict[str, plots.Lines]:
    """Error, then skill, over the data's time."""
    dates = [each.last for each in report.past] + [drop.last for drop in report.drops]
    drawn = {f"{report.spec.metric.name.upper()} ({unit(report.spec)})": _errors(report), "Skill": _skills(report)}
    return {title: plots.over_time(_series(report, lines), dates) for title, lines in drawn.items()}


def _errors(report: Report) -> dict[str, Points]:
    floor, judged = report.parts(None), _judged(report)
    past = {each.last.timestamp(): each.baseline for each in report.past}
    lines: dict[str, Points] = {PRODUCTION: [(each.last.timestamp(), each.score) for each in report.past]}
    lines[BASELINE] = sorted({**past, **{end: floor[name].rival for end, name in judged}}.items())
    lines[CHALLENGER] = [(end, floor[name].challenger) for end, name in judged]
    if report.rival is not None:
        rival = report.parts(report.rival)
        lines[CHAMPION] = [(end, rival[name].rival) for end, name in judged]
    return lines


def _skills(report: Report) -> dict[str, Points]:
    skill, errors = report.spec.metric.skill, _errors(report)
    floor = dict(errors[BASELINE])
    lines: dict[str, Points] = {PRODUCTION: [(each.last.timestamp(), each.skill) for each in report.past]}
    for kind in (CHALLENGER, CHAMPION):
        lines[kind] = [(end, skill(score, floor[end])) for end, score in errors.get(kind, [])]  # type: ignore[arg-type]
    return lines


def _judged(report: Report) -> list[tuple[float, str]]:
    """The judged drops that have a part of their own, oldest first: until when their rows are, and the part's name."""
    floor = report.parts(None)
    ends = [(drop.last.timestamp(), f"{DROP}{place}") for place, drop in enumerate(report.drops, 1)]
    return [(end, name) for end, name in reversed(ends) if name in floor]


def _series(report: Report, lines: Mapping[str, Points]) -> list[plots.Series]:
    names = {
        PRODUCTION: "in production when the drop came, on its new rows",
        BASELINE: "baseline",
        CHALLENGER: f"challenger (version {report.version}), on held-out rows",
        CHAMPION: f"champion (version {report.champion}), on the same held-out rows",
    }
    known = {
        kind: [(x, y if y is not None and math.isfinite(y) else None) for x, y in each] for kind, each in lines.items()
    }
    return [
        plots.Series(name=names[kind], kind=kind, points=points)
        for kind, points in known.items()
        if any(y is not None for _, y in points)
    ]


def _time_in_words(report: Report) -> str:
    newest = report.parts(None).get(f"{DROP}1")
    if newest is None or not report.names:
        return "There are no judged drops to tell of."
    skills = [each.skill for each in report.past if each.skill is not None]
    name = report.names[0].rpartition("/")[2]
    return captions.over_time_in_words(report.spec, name, newest.challenger, newest.rival, skills)


def _residuals(report: Report) -> plots.Lines | None:
    found = report.residuals
    if found is None:
        return None
    middles = [(low + high) / 2 for low, high in zip(found.edges, found.edges[1:], strict=False)]
    kinds = dict(zip(found.shares, (CHALLENGER, CHAMPION), strict=False))
    return plots.over_values(
        [
            plots.Series(name=name, kind=kinds.get(name, BASELINE), points=list(zip(middles, shares, strict=True)))
            for name, shares in found.shares.items()
        ]
    )


def _number(value: float | None) -> str:
    return NOTHING if value is None or not math.isfinite(value) else number(value)
