"""Which ways lead into the network and out of it: none in, and out only those that are named here."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan

CHECK = "network"
EVERYWHERE = ["0.0.0.0/0"]
# To anywhere: HTTPS, and HTTP for Debian's packages.
WEB_PORTS = {"80", "443"}
ENDS = {"INGRESS": "source_ranges", "EGRESS": "destination_ranges"}


def check(plan: Plan) -> Iterator[Finding]:
    """Ways that nobody needs."""
    rules = plan.of_type("google_compute_firewall")
    for direction, end in ENDS.items():
        if not any(_closes(each, direction, end) for each in rules):
            yield Finding(check=CHECK, where="deploy/gcp", what=f"no rule closes what is not named: {direction}")
    for each in rules:
        if each.get("allow") and (fault := _fault(each)):
            yield Finding(check=CHECK, where=each.where, what=f"{each.address} {fault}")


def _closes(rule: Instance, direction: str, end: str) -> bool:
    is_all = rule.get("deny.protocol") == "all" and rule.get(end) == EVERYWHERE
    return is_all and rule.get("direction") == direction and not rule.get("disabled")


def _fault(rule: Instance) -> str:
    if rule.get("direction") != "EGRESS":
        return "lets somebody in, whom nobody waits for"
    ports = set(rule.get("allow.ports") or [])
    if rule.get("destination_ranges") == EVERYWHERE and (not ports or ports - WEB_PORTS):
        return f"lets out to anywhere by more than the ports {', '.join(sorted(WEB_PORTS))}"
    return ""
