"""Claims: complete statements only, lazy bodies, digests that change with the claim."""

from __future__ import annotations

import pytest

from repro import Paper, Reported, at_most, claim, higher, holds, matches, refuted
from repro.claim.catalogue import Catalogue
from repro.claim.catalogue import matches as selects
from repro.claim.claim import Claim, arms_of, name_arm
from repro.errors import ReproError

PAPER = Paper(key="planted2020", title="Planted", authors=("N. N.",), year=2020)
FACT = Reported(3.5, "m", "Table 1, row one")


def experiment(implementation, setting):
    """Never run here."""
    raise AssertionError("a body must not run anything")


def test_goes_up(run):
    """Table 1: it goes up."""
    arm = run(experiment, "base", depth=3)
    return arm["a"], arm["b"]


test_goes_up.__test__ = False


def stated(**changes) -> Claim:
    """The claim above with some of its statement changed."""
    options = {"criterion": higher(), "seeds": 3, "controls": ["none"]} | changes
    name, criterion = options.pop("name", "goes-up"), options.pop("criterion")
    return claim(name, criterion, **options)(test_goes_up).claims[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"controls": []}, "names no control"),
        ({"seeds": 2}, "at least 3 seeds"),
        ({"name": "Goes up"}, "kebab-case"),
        ({"name": "goes-down"}, "its function named test_goes_down"),
        ({"tier": "gpu"}, "must say what it costs"),
        ({"version": 0}, "versions count from 1"),
        ({"criterion": None}, "either a criterion or rows"),
        ({"rows": {"a": higher()}}, "either a criterion or rows"),
    ],
)
def test_incomplete_statements_are_refused(changes, says):
    """A claim that could not be judged or understood is an error when it is stated, not when it is run."""
    with pytest.raises(ValueError, match=says):
        stated(**changes)


def test_docstring_must_have_a_place():
    """A claim says where the paper says it."""

    def test_goes_up(run):
        """It goes up."""

    with pytest.raises(ValueError, match="Place: statement"):
        claim("goes-up", higher(), seeds=3, controls=["none"])(test_goes_up)


def test_a_refutation_needs_its_source():
    """A finding cannot be claimed without saying who found it."""
    with pytest.raises(ValueError, match="needs its source"):
        refuted("")


def test_body_is_lazy():
    """Naming arms runs nothing, and one arm drawn twice is one arm."""
    draws = stated().measurements()
    assert [arm.label for arm in arms_of(draws)] == ["base depth=3"]


def test_facts_follow_from_the_statement():
    """Place, statement, evidence, group and published numbers are read off the decorator and docstring."""
    found = stated(criterion=matches(FACT, within=1.0))
    assert (found.place, found.statement) == ("Table 1", "It goes up.")
    assert (found.id, found.evidence, found.group) == ("planted2020/goes-up@1", "reduced", "direction")
    assert found.reported == (FACT,)
    assert stated(criterion=holds(), seeds=1).group == "mechanism"
    assert stated(tier="gpu", cost="an hour").evidence == "original"


@pytest.mark.parametrize(
    "changes",
    [
        {"criterion": higher(by=0.1)},
        {"seeds": 4},
        {"version": 2},
        {"controls": ["other"]},
        {"expected": refuted("arithmetic in the appendix")},
        {"evidence": "original"},
    ],
)
def test_digest_changes_with_the_claim(changes):
    """Criterion, seeds, version, controls, expectation and evidence are part of the digest."""
    assert stated(**changes).digest() != stated().digest()


def test_digest_ignores_prose():
    """Rewording, cost and displayed numbers do not make another claim."""
    assert stated(cost="an hour", reported=[FACT]).digest() == stated().digest()


def test_rows_are_claims_of_their_own():
    """Each row of a table has an id and a criterion."""

    def test_goes_up(run, row):
        """Table 1: it goes up."""
        return run(experiment, row)["a"]

    rows = {"a": at_most(1.0), "b": at_most(2.0)}
    decorated = claim("goes-up", rows=rows, seeds=3, controls=["x"])(test_goes_up)
    assert [c.id for c in decorated.claims] == ["planted2020/goes-up@1[a]", "planted2020/goes-up@1[b]"]
    assert len({c.digest() for c in decorated.claims}) == 2


def test_selection_by_leading_parts_of_the_id():
    """A paper, a name, a version or a row select; a fragment of a word does not."""
    row = claim("goes-up", rows={"a": at_most(1.0)}, seeds=3, controls=["x"])(test_goes_up).claims[0]
    for name in ("planted2020", "planted2020/goes-up", "planted2020/goes-up@1", "planted2020/goes-up@1[a]"):
        assert selects(row.id, name)
    for name in ("planted", "planted2020/goes", "goes-up", "planted2020/goes-up@2"):
        assert not selects(row.id, name)


def test_arm_labels_tell_overrides():
    """An arm is known by its preset and what was overridden, unless it is given a name."""
    assert name_arm(experiment, "base", width=8, depth=3).label == "base depth=3 width=8"
    assert name_arm(experiment, "base", arm="deep", depth=3).label == "deep"


def test_unknown_names_get_suggestions():
    """A typo in a paper or claim names the nearest ones."""
    catalogue = Catalogue()
    with pytest.raises(ReproError, match=r"Unknown paper 'he2051'.*he2015"):
        catalogue.select(["he2051"])
    with pytest.raises(ReproError, match=r"Unknown claim 'he2015/plain-degrade'.*he2015/plain-degrades@"):
        catalogue.select(["he2015/plain-degrade"])


def test_paper_keys_and_places_are_checked():
    """Keys are surname and year, or a course's number; numbers have a unit and a place."""
    for key in ("he2015", "he2015b", "cs231n", "cs224"):
        assert Paper(key=key, title="", authors=(), year=2015).key == key
    for key in ("He-2015", "he", "he3015", "2015he", "cs231nn", "cs23n", "cs23145n", "cs231n/x", "cs231n\n"):
        with pytest.raises(ValueError, match="surname and year"):
            Paper(key=key, title="", authors=(), year=2015)
    for unit, place in (("", "Table 1"), ("%", "page 3")):
        with pytest.raises(ValueError, match="unit and a place"):
            Reported(1.0, unit, place)
