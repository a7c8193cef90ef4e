"""Pins and words: the provider is the one that was checked against, and everything says what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Plan
from deploy.gcp.checks.schema import Schema

CHECK = "tidy"


def check(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """What is unpinned or unexplained."""
    yield from _check_versions(plan, schema)
    yield from _check_words(plan)
    for each in plan.of_type("google_monitoring_alert_policy"):
        if not each.get("documentation.content"):
            yield Finding(check=CHECK, where=each.where, what=f"{each.address} does not say what to do")


def _check_versions(plan: Plan, schema: Schema) -> Iterator[Finding]:
    """The provider that is used has to be of the major version that these files were checked against, and no older."""
    for block in plan.blocks:
        if block.kind == "terraform":
            for each in block.inside("required_providers"):
                pinned = str(plan.literal(each.attributes["google"])["version"])
                major, minor = schema.provider.split(".")[:2]
                if not re.fullmatch(rf"~> {major}\.{minor}", pinned):
                    what = f'the google provider is pinned to "{pinned}", and checked against {schema.provider}'
                    yield Finding(check=CHECK, where=block.where, what=what)


def _check_words(plan: Plan) -> Iterator[Finding]:
    for block in plan.blocks:
        wanted = {"variable": ("description", "type"), "output": ("description",)}.get(block.kind, ())
        for attribute in wanted:
            if attribute not in block.attributes:
                what = f"the {block.kind} {block.labels[0]} has no {attribute}"
                yield Finding(check=CHECK, where=block.where, what=what)
