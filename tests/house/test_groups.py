"""Tests that would get into one another's way on a small machine run in one worker, one after another.

pytest 9.2 broke pytest-xdist's groups without a word, so that two demos ran at once
(https://github.com/pytest-dev/pytest-xdist/issues/1386, seen 2026-11-21).
"""

import pytest


@pytest.mark.xdist_group("heavy")
def test_worker_knows_which_group_a_test_belongs_to(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith("@heavy") == bool(getattr(request.config.option, "loadgroup", False))
