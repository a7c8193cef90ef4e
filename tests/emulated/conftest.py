"""Fixtures that several suites share."""

from __future__ import annotations

from tests.emulated.state_fixtures import storage

__all__ = ["storage"]
