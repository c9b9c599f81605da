"""Tests of reference/vinyals2016.py: what can be worked out by hand."""

from __future__ import annotations

import pytest


def test_a_case_worked_out_by_hand():
    """SKELETON A small case whose answer is known without running the reference."""
    pytest.fail("tests/test_vinyals2016.py tests nothing yet: write a case that is worked out by hand", pytrace=False)
