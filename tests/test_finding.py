"""Findings explain themselves: quoted words, both settings, arithmetic that is computed and not typed in."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from harness.cli import cli
from leaderboard.render.findings import explanation
from repro import ReproError, refuted
from repro.claim.catalogue import Catalogue
from repro.record.record import ClaimPart, claim_part

FINDINGS = [claim for claim in Catalogue().claims if claim.expected]
HULL = refuted(
    "arithmetic: the parts do not add up",
    words={"Section 1": "the  cup holds\n seven litres"},
    settings=("a full cup", "the same cup"),
    calculation=[("parts", "part = 2 * 1.5", "l"), ("together", "ceil(part + 2**2) - sqrt(4)", "l")],
)


def test_a_calculation_is_computed_from_what_is_typed():
    """Names stand for earlier values, and quotes are one line."""
    why = HULL.explanation
    assert why is not None
    assert [step.value for step in why.steps] == [3.0, 5.0]
    assert why.steps[1].result == "5 l"
    assert why.quotes[0].words == "the cup holds seven litres"


@pytest.mark.parametrize("wrong", ["1 +", "unknown * 2", "1 / 0", "__import__('os')", "(1).real", "'a' * 3"])
def test_only_arithmetic_is_computed(wrong):
    """Anything else is refused where the claim is stated."""
    with pytest.raises(ValueError, match="cannot be computed"):
        refuted("arithmetic: something is off", calculation=[("x", wrong)])


@pytest.mark.parametrize("claim", FINDINGS, ids=lambda claim: claim.id)
def test_every_finding_says_what_it_rests_on(claim):
    """The paper's words by place, both settings and a calculation, all in the record and printed by `--explain`."""
    why = claim.expected.explanation
    assert why is not None
    assert all((why.quotes, why.paper_setting, why.our_setting, why.steps))
    part = claim_part(claim)
    assert msgspec.json.decode(msgspec.json.encode(part), type=ClaimPart).explanation == why
    shown = " ".join(CliRunner().invoke(cli, ["claims", claim.id, "--explain"]).output.split())
    assert all(" ".join(quote.words.split()[:3]) in shown for quote in why.quotes)
    assert all(step.result.split()[0] in shown for step in why.steps)


def test_what_is_no_finding_has_nothing_to_explain():
    """One error that says where findings are listed."""
    result = CliRunner().invoke(cli, ["claims", "he2015/initial-weights", "--explain"])
    assert isinstance(result.exception, ReproError)
    assert "repro claims --findings" in result.exception.remedy


def test_a_page_shows_all_of_it():
    """Quote, settings and results; nothing for older records."""
    page = explanation(HULL.explanation)
    assert all(text in page for text in ("the cup holds seven litres", "a full cup", "2 * 1.5", "5 l"))
    assert explanation(None) == ""
