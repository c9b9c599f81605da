"""Outcomes: one rule says what people read of a verdict, and one letter stands for it everywhere."""

from __future__ import annotations

import argparse
import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from harness.gate.baseline import entry_of
from harness.pytest_plugin import hooks
from harness.pytest_plugin.options import SessionOptions, pytest_addoption
from harness.pytest_plugin.row import VerdictRow, received, send
from leaderboard.board import verification
from leaderboard.board.lines import line
from leaderboard.render import style
from repro.criterion.verdict import Evidence, Outcome, RecordedOutcome, Status, rejects
from repro.record.record import encode
from tests import factory

ROOT = Path(__file__).parents[1]
LETTERS = {
    "reproduced": "R",
    "supported": "S",
    "finding": "F",
    "inconclusive": "I",
    "powerless": "P",
    "refuted": "X",
    "unexpected": "U",
}


def printed(outcome: str, letter: str, *, passed: bool) -> str:
    """What pytest prints of a claim with this outcome, while it runs."""
    row = VerdictRow(
        claim="a",
        implementation="b",
        published="c",
        evidence="exact",
        outcome=outcome,
        letter=letter,
        passed=passed,
        reason="d",
    )
    report = SimpleNamespace(when="call", passed=passed, skipped=False)
    send(row, report)  # type: ignore[arg-type] -- all that the hooks ask a report for
    assert received(report) == row  # type: ignore[arg-type]
    _, shown, word = hooks.pytest_report_teststatus(report) or ("", "", "")  # type: ignore[arg-type]
    assert word == outcome.upper()
    return shown


def test_letters_are_the_same_everywhere():
    """pytest, README, the board and the docs have one letter for an outcome; what passes is a dot in pytest."""
    assert {str(one): one.letter for one in Outcome} == LETTERS
    legend = (ROOT / "README.md").read_text().partition("<!-- end of papers -->")[2].split("\n\n")[1]
    assert {name: letter for letter, name in re.findall(r"\*\*([A-Z])\*\*\s+(\w+)", legend)} == LETTERS
    table = (ROOT / "docs" / "method.md").read_text()
    assert {name: letter for letter, name in re.findall(r"^\| ([A-Z]) \| \*(\w+)\* \|", table, re.MULTILINE)} == LETTERS
    assert {str(one): badge.letter for one, badge in style.BADGES.items()} == LETTERS
    for one in Outcome:
        assert f">{one.letter}</i>" in style.badge(one)
        assert printed(one.recorded, one.letter, passed=one.passes) == ("." if one.passes else one.letter)
    assert not {"A", "E"} & set(LETTERS.values())  # of controls that were accepted, and of errors


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("status", get_args(Status))
def test_one_rule_decides(status, known):
    """A control that is not rejected, too few seeds and doubt settle nothing; only then do numbers count."""
    for evidence, enough, rejected in itertools.product(get_args(Evidence), (True, False), ([], [True], [True, False])):
        own = Outcome.of(status, evidence, known_refutation=known, enough_seeds=enough, rejected=rejected)
        assert Outcome.read(own.recorded, powerless=own is Outcome.POWERLESS) is own
        assert own.passes == (own in ("reproduced", "supported", "finding"))
        if False in rejected:
            assert own is Outcome.POWERLESS
            assert (own.recorded, own.passes, own.rank) == ("inconclusive", False, Outcome.INCONCLUSIVE.rank)
        elif not enough or status == "inconclusive":
            assert own is Outcome.INCONCLUSIVE
        elif known:
            assert own == {"refuted": "finding", "holds": "unexpected"}[status]
        else:
            held = "supported" if evidence == "reduced" else "reproduced"
            assert own == {"refuted": "refuted", "holds": held}[status]


def test_a_control_is_rejected_by_the_verdict_that_the_reference_should_not_get():
    """Refuted where the claim should hold, holds where it is known not to; doubt rejects nothing."""
    found = {(status, known) for status in get_args(Status) for known in (True, False)
             if rejects(status, known_refutation=known)}  # fmt: skip
    assert found == {("refuted", False), ("holds", True)}


def test_a_powerless_record_is_inconclusive_everywhere():
    """In the record's file, in a baseline, on the board and where a record is verified."""
    record = factory.powerless()
    assert (record.word, record.powerless, record.outcome) == ("inconclusive", True, Outcome.POWERLESS)
    assert b'"word":"inconclusive"' in encode(record)
    assert (entry_of(record).outcome, entry_of(record).outcome.passes) == (Outcome.INCONCLUSIVE, False)
    assert line(record).outcome is Outcome.POWERLESS
    assert all(check.agreed for check in verification.verify(encode(record), record.id))


def test_options_survive_a_command_line():
    """What a command hands to pytest comes out as it went in, seeds that are none and repeated claims too."""
    parser = SimpleNamespace(plain=argparse.ArgumentParser())
    parser.getgroup = lambda *_: SimpleNamespace(addoption=parser.plain.add_argument)
    pytest_addoption(parser)  # type: ignore[arg-type] -- all that it asks of pytest's
    for own in (
        SessionOptions(),
        SessionOptions(seeds=0, claim=("a2000", "b2001/c"), trusted=True, salt="s", implementation=Path("mine")),
        SessionOptions(controls=True, tier="all", device="cpu", store=Path("store"), no_cache=True),
    ):
        assert SessionOptions.parsed(parser.plain.parse_args(own.arguments())) == own


def test_records_write_every_outcome_but_powerless():
    """The format's words are the outcomes'; a powerless claim has a field of its own."""
    assert set(get_args(RecordedOutcome)) == {one.recorded for one in Outcome} == set(Outcome) - {"powerless"}
