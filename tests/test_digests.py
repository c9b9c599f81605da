"""Digests before the packages were laid out anew against those of today: what changed is listed, with a reason.

`digests.json` holds, of every claim as it stood on 28 November 2026, the claim's digest and for each implementation
(the reference and each control) a hash of what its trials' keys count of source code: experiment, implementation and
determinism.
"""

from __future__ import annotations

import fnmatch
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, arms_of
from repro.code_digest import digest, object_closure
from repro.machine.determinism import make_deterministic
from repro.trial.implementation import control, reference

ROOT = Path(__file__).parent.parent
BEFORE = json.loads((ROOT / "tests" / "digests.json").read_text())
PYTHON = (3, 11)  # sources are hashed as this version parses them
CATALOGUE = Catalogue(ROOT)


class Changed(NamedTuple):
    """Claims whose digests are no longer those of before.

    Attributes:
        what: "claim" for the claim itself (its record and calibration are void), "trials" for sources of its trials,
            "gone" for a claim that is no longer stated.
        pattern: of claim ids, with * for anything; the brackets of a row mean themselves.
        reason: which change did it, and why the results are the same or may be others.
    """

    what: str
    pattern: str
    reason: str


CHANGED: tuple[Changed, ...] = (
    Changed("trials", "*", "the contract says eval_steps, streams and crops; measurements say which way is better"),
    Changed("gone", "aaronson2014/adjustment-separates-the-models@1*", "grain and cuts are unprinted: not a finding"),
    Changed("gone", "aaronson2014/complexity-comparable-to-the-width@1*", "a new version, no longer original evidence"),
    Changed("gone", "aaronson2014/peak-time-quadratic-in-swaps@1", "stated by its sibling, with the unit of time"),
    Changed("gone", "aaronson2014/swap-kernel@1", "implied: swap-choices sees each swap, stated-chances each pair"),
    Changed(
        "gone", "kaplan2020/*@1*", "arithmetic is compared exactly, as version 2; fits of whole curves are no findings"
    ),
    Changed(
        "gone", "zaremba2014/*@1", "version 2 guards the arm that does worse and compares what reads with the equations"
    ),
    Changed("gone", "krizhevsky2012/*@1", "counts are compared exactly, by equals(), as version 2"),
    Changed("gone", "krizhevsky2012/colour-shifts@1", "training-colours says it of what training is fed"),
    Changed("gone", "krizhevsky2012/convolutions-are-small@1", "the exact shapes of `parameters` imply it"),
    Changed("gone", "krizhevsky2012/dropout-curbs-overfitting@1", "version 2 asks that the network without it learns"),
    Changed("gone", "krizhevsky2012/dropout-slows-training@1", "version 2 asks that dropout gets there in time"),
    Changed("gone", "krizhevsky2012/ensembles-err-less@1", "version 2 asks that single networks err little"),
    Changed("gone", "krizhevsky2012/rectifiers-learn-sooner@1", "version 2 asks that logistic units learn as well"),
    Changed("gone", "vinyals2015/order-of-outputs-helps@1", "version 2 asks that any order is learnt as well"),
    Changed(
        "gone", "vinyals2015/pointing-beats-attention@1", "version 2 trains attention until it finds hulls, and asks"
    ),
    Changed(
        "gone", "vinyals2015/longer-than-in-training@1", "version 2 counts answers only where the weights give them"
    ),
    Changed("gone", "vinyals2015/short-tours@1", "version 2 counts answers only where the weights give them"),
    Changed("gone", "he2015/deeper-by-construction@2", "version 3 compares the deepened network with the oracle"),
    Changed("gone", "he2015/gradients-stay-healthy@1", "Section 4.1 speaks of plain-34: not a finding"),
    Changed(
        "gone", "he2015/multiply-adds@1", "version 2 has the tolerance of one printed digit, and a finding beside it"
    ),
    Changed("gone", "he2015/parameters@1*", "counts are compared exactly, by equals(), as version 2"),
    Changed("gone", "he2015/signals-do-not-vanish@1", "version 3 compares signals and gradients with the oracle's"),
    Changed(
        "gone", "he2015/plain-degrades@2", "version 3 asks that the plain network learns, and has 44 layers for it"
    ),
    Changed("gone", "he2015/residual-gains-from-depth@2", "version 3 asks that the plain network learns: 44 layers"),
    Changed("gone", "he2015/residual-converges-sooner@2", "version 3 asks that the plain network learns"),
    Changed("claim", "he2015/cifar-10-*@1*", "a function names the arms, which are the same; none has a record"),
    Changed("claim", "he2015/imagenet-*@1*", "a function names the arms, which are the same; none has a record"),
    Changed("gone", "he2015/vgg-16-cost@1", "counts are compared exactly, by equals(), as version 2"),
    Changed("gone", "he2016/parameters*@1*", "counts are compared exactly, by equals(), as version 2"),
    Changed("gone", "he2016/*-impede*@1", "version 2 asks that the arm that errs more learns: 50 layers, 56 updates"),
    Changed("gone", "he2016/asymmetric-is-preactivation@1", "version 2 has bottlenecks, and projections to carry over"),
    Changed("gone", "he2016/gates-must-start-open@1", "version 2 asks that the arm that errs more learns"),
    Changed("gone", "he2016/shortcuts-must-be-identities@1*", "version 2 asks that the arm that errs more learns"),
    Changed("claim", "kaplan2020/*@1*", "what measures them is named with its module, since the claims file is long"),
    Changed("claim", "he2016/cifar-10-error@1*", "the printed figures are said to be medians of five runs"),
    Changed(
        "gone", "huang2019/four-micro-batches-fit-the-bubble@*", "Table 2's caption adjusts batch sizes: not a finding"
    ),
    Changed("gone", "huang2019/imbalance-costs-speed@1", "version 2 asks for what a cut by cumulative costs gains"),
    Changed("gone", "huang2019/micro-batches-are-normalized-alone@1", "stated by version 2 of moments-have-gradients"),
    Changed("gone", "huang2019/memory-law@1", "version 2 has other layers, partitions and micro-batches"),
    Changed("gone", "huang2019/moving-averages-follow-the-mini-batch@1", "version 2 has one more control"),
    Changed("gone", "huang2019/least-variance@1", "the paper says heuristic: version 2 demands no optimum"),
)


def today(claim: Claim) -> dict[str, str]:
    """The claim's digest, and for each implementation the hash of its trials' sources."""
    arms, names = arms_of(claim.measurements()), ("reference", *claim.controls)
    found = {"claim": claim.digest()}
    for name in names if sys.version_info[:2] == PYTHON else ():
        made = reference(claim.paper.key, ROOT) if name == "reference" else control(claim.paper.key, name, ROOT)
        parts = [(object_closure(arm.experiment.code), made.source, object_closure(make_deterministic)) for arm in arms]
        found[name] = digest(" ".join(part for arm in parts for part in arm))[:16]
    return found


def differences(paper: str) -> dict[str, set[str]]:
    """By what differs the ids of a paper's claims."""
    now = {claim.id: claim for claim in CATALOGUE.select([paper])} if paper in CATALOGUE.papers else {}
    found = defaultdict(set)
    for name, before in BEFORE.items():
        if name.partition("/")[0] != paper:
            continue
        if name not in now:
            found["gone"].add(name)
            continue
        after = today(now[name])
        if after["claim"] != before["claim"]:
            found["claim"].add(name)
        if any(before[part] != after[part] for part in before.keys() & after.keys() - {"claim"}):
            found["trials"].add(name)
    return found


def listed(what: str, name: str) -> bool:
    """Whether a change is in the list."""
    return any(one.what == what and covers(one.pattern, name) for one in CHANGED)


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern is of a claim; its brackets are no character sets."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    """All differences."""
    papers = {name.partition("/")[0] for name in BEFORE}
    parts = [differences(paper) for paper in sorted(papers)]
    return {what: set().union(*(part.get(what, set()) for part in parts)) for what in ("claim", "trials", "gone")}


def test_every_change_of_a_digest_is_listed(found):
    """Claims and trials are what they were, save for what CHANGED lists; the message has the lines to add."""
    unlisted = {what: sorted(name for name in names if not listed(what, name)) for what, names in found.items()}
    lines = [f'Changed("{what}", "{name}", "why"),' for what, names in unlisted.items() for name in names]
    assert not lines, "add to CHANGED, with a reason and shorter patterns where they fit:\n" + "\n".join(lines)


def test_every_listed_change_is_one(found):
    """Nothing is listed that did not change, so that the list can be read as what changed."""
    if sys.version_info[:2] != PYTHON:
        found = found | {"trials": set(BEFORE)}
    idle = [one for one in CHANGED if not any(covers(one.pattern, name) for name in found[one.what])]
    assert idle == []
