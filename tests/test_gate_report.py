"""What a gate writes, and the formats that are promised for it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.cli.baseline import changes
from harness.gate import baseline, report
from harness.gate.baseline import Baseline, BaselineEntry, BaselineSample
from harness.gate.result import CostChange, Decision, QualityChange, Remark
from repro.criterion.constructors import equals
from repro.criterion.measurement import Sample
from repro.errors import ReproError
from repro.paper import Reported
from repro.record.format import json_schema
from repro.record.store import Store
from tests.records import make_record

ROOT = Path(__file__).parent.parent
OWN = ROOT / "leaderboard" / "baseline"


def remark(number: int = 0, **changes: object) -> Remark:
    """A regression; a larger number is worse."""
    made = Remark(
        weight="regression",
        topic="quality",
        about=f"toy2020/claim-{number}@1",
        says=f"end of walk: 50 became {number}",
        severity=float(number),
        file="claims/test_toy2020.py",
        line=3,
    )
    return msgspec.structs.replace(made, **changes)


ROW = QualityChange(
    claim="toy2020/claim-0@1",
    arm="walk | far",
    measurement="end",
    unit="m",
    worse="down",
    log=False,
    old=50.0,
    new=45.0,
    shift=-5.0,
    low=-5.5,
    high=-4.5,
    p=0.0012,
    seeds=(24, 4),
    state="worse",
)
COST = CostChange(
    claim="toy2020/claim-0@1",
    arm="walk",
    cost="time",
    unit="s",
    ratio=1.2,
    low=1.15,
    high=1.25,
    below=1.05,
    pairs=5,
    old=1.0,
    state="worse",
    says="time of walk is 1.200",
)


def decision(*remarks: Remark, code: int = 1) -> Decision:
    """A decision with these remarks, a measurement and a cost."""
    return Decision(exit=code, baseline="baseline.json", claims=3, remarks=remarks, quality=(ROW,), costs=(COST,))


def test_markdown_tells_the_outcome_and_the_figures():
    """Outcome, remarks and both tables; what came from names is escaped."""
    text = report.markdown_report(decision(remark(), remark(1, weight="note", says="a | b <b> `c`")))
    assert text.startswith("## ❌ Gate: regression: 3 claims compared")
    assert "### Regressions\n\n- `toy2020/claim-0@1` end of walk: 50 became 0\n" in text
    assert "a \\| b \\<b\\> \\`c\\`" in text
    assert (
        "| toy2020/claim-0@1 | end of walk \\| far, in m | 50 | 45 | -5 [-5.5, -4.5] | 24 to 4 | 0.0012 | worse |"
        in text
    )
    assert "| toy2020/claim-0@1 | walk | time | 1.200 [1.150, 1.250] | \\< 1.05 | 5 | worse |" in text


@pytest.mark.parametrize(("code", "mark"), [(0, "✅"), (1, "❌"), (2, "❔")])
def test_markdown_marks_each_outcome(code, mark):
    """Each exit code has its mark."""
    assert report.markdown_report(decision(code=code)).startswith(f"## {mark} Gate: ")


def test_markdown_is_cut_at_whole_lines_with_a_note():
    """A longer summary would be dropped whole by GitHub: it is cut, in bytes, and says so."""
    text = report.markdown_report(decision(*[remark(n, says="é" * 2000) for n in range(900)]))
    assert len(text.encode()) <= report.MAX_SUMMARY_BYTES
    assert len(text.encode()) > report.MAX_SUMMARY_BYTES - 5000
    assert text.endswith("Truncated: the whole summary is larger than may be shown. The JSON file has everything.\n")
    assert all(len(line) < 2100 for line in text.splitlines())
    assert "Truncated" not in report.markdown_report(decision(remark()))


def test_annotations_are_the_worst_ten_of_each_kind():
    """GitHub shows ten errors and ten warnings of a step: the worst come first."""
    remarks = [remark(n) for n in range(15)] + [remark(n, weight="undecided") for n in range(3)]
    lines = report.github_annotations(decision(*remarks, remark(99, weight="note")))
    errors = [line for line in lines if line.startswith("::error ")]
    assert [re.findall(r"claim-(\d+)@", line)[0] for line in errors] == [str(n) for n in range(14, 4, -1)]
    assert len([line for line in lines if line.startswith("::warning ")]) == 3
    assert len(lines) == 13


def test_annotations_are_escaped():
    """Nothing in a message can end the command or start another."""
    (line,) = report.github_annotations(
        decision(remark(says="100 %\n::error::x", about="a:b,c", file="d,e.py")), "sub/"
    )
    assert line == "::error file=sub/d%2Ce.py,line=3,title=a%3Ab%2Cc::100 %25%0A::error::x"
    (line,) = report.github_annotations(decision(remark(weight="error", topic="harness", about="", file="")))
    assert line.startswith("::error title=gate::")


def test_junit_counts_failures_errors_and_what_is_undecided():
    """A case for each claim and cost; crashes and the gate's own errors are errors; text is valid XML."""
    told = [
        remark(0, says="bad \x00 & <tag>"),
        remark(1, topic="crashed"),
        remark(2, weight="undecided"),
        remark(3, weight="note"),
        remark(4, topic="cost", says=COST.says),
        remark(weight="error", topic="harness", about=""),
    ]
    root = ET.fromstring(report.junit_report(decision(*told)))
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "2",
        "errors": "2",
        "skipped": "1",
    }
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["toy2020/claim-0@1"][0].get("message") == "bad \N{REPLACEMENT CHARACTER} & <tag>"
    assert cases["toy2020/claim-1@1"][0].tag == "error"
    assert cases["toy2020/claim-3@1"][0].tag == "system-out"
    assert cases["toy2020/claim-0@1 walk time"][0].tag == "failure"
    assert cases["gate"][0].tag == "error"


def test_junit_of_nothing_has_a_case():
    """Readers of JUnit take an empty suite for a failure: a gate that compared nothing has one case."""
    root = ET.fromstring(report.junit_report(Decision(exit=0)))
    assert [case.get("name") for case in root.iter("testcase")] == ["gate"]


def test_json_is_what_its_schema_says():
    """The decision survives the way to a file and back, and the published schemas are those of the code."""
    made = decision(remark(), remark(1, weight="note"))
    assert msgspec.json.decode(report.json_report(made), type=Decision) == made
    for module, name, kind in (("result", "gate", Decision), ("baseline", "baseline", Baseline)):
        kept = (ROOT / "docs" / "reference" / f"{name}.schema.json").read_text()
        assert json.loads(kept) == json.loads(json.dumps(json_schema(kind))), (
            f"run: python -m harness.gate.{module} > docs/reference/{name}.schema.json"
        )


def entry(**changes: object) -> BaselineEntry:
    """An entry with one measurement at two seeds."""
    record = make_record()
    found = baseline.entry_of(msgspec.structs.replace(record, samples=record.samples[:1]))
    sample = BaselineSample(arm="deep", measurement="error", unit="%", values=(1.5, None), better="lower")
    return msgspec.structs.replace(found, seeds=(0, 1), samples=(sample,), **changes)


def test_a_baseline_survives_its_file_and_changes_few_lines(tmp_path):
    """Canonical: the same content gives the same bytes, and one changed value one changed line."""
    one = Baseline(claims={"toy2020/b@1": entry(), "toy2020/a@1": entry()})
    other = Baseline(claims={"toy2020/a@1": entry(), "toy2020/b@1": entry(word="refuted")})
    baseline.write(one, tmp_path / "one.json")
    assert baseline.read(tmp_path / "one.json") == one
    assert baseline.encode(one) == baseline.encode(Baseline(claims=dict(reversed(one.claims.items()))))
    lines = [set(baseline.encode(b).decode().splitlines()) for b in (one, other)]
    assert len(lines[1] - lines[0]) == 1
    assert '"values": [1.5, null]' in baseline.encode(one).decode()
    assert changes(one, other) == ["~ toy2020/b@1: supported became refuted"]
    assert changes(one, Baseline(claims={})) == ["- toy2020/a@1", "- toy2020/b@1"]


def test_a_folder_has_a_file_for_each_paper(tmp_path):
    """Other papers' files keep their bytes when one changes; a paper that is gone leaves none, other files stay."""
    folder = tmp_path / "baseline"
    whole = Baseline(claims={"toy2020/a@1": entry(), "toy2021/b@1": entry()})
    baseline.write(whole, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["toy2020.json", "toy2021.json"]
    assert baseline.is_folder(folder)
    assert baseline.read(folder) == whole
    before = (folder / "toy2021.json").read_bytes()
    baseline.write(Baseline(claims={**whole.claims, "toy2020/a@1": entry(word="refuted")}), folder)
    assert (folder / "toy2021.json").read_bytes() == before
    (folder / "settings.json").write_text("{}")
    baseline.write(Baseline(claims={"toy2021/b@1": entry()}), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["settings.json", "toy2021.json"]


@pytest.mark.parametrize(
    ("name", "other", "says"),
    [
        ("toy2021", Baseline(claims={"toy2020/b@1": entry()}), "claim of another paper, toy2020/b@1"),
        ("toy2021", Baseline(implementation="submission:mine", claims={"toy2021/b@1": entry()}), "submission:mine"),
    ],
)
def test_a_folder_of_files_that_do_not_belong_together_is_refused(tmp_path, name, other, says):
    """A claim stands in its paper's file only, and all files are of one implementation."""
    baseline.write(Baseline(claims={"toy2020/a@1": entry()}), tmp_path)
    baseline.write(other, tmp_path / f"{name}.json")
    with pytest.raises(ReproError, match=says):
        baseline.read(tmp_path)


def test_curves_count_by_their_mean_and_lost_points_as_diverged():
    """A number for each seed is kept; a curve with a point that is not finite has none."""
    made = make_record()
    held = baseline.baseline_sample(made.samples[1])
    assert held.values == (None,)
    whole = msgspec.structs.replace(made.samples[1], values=((2.0, 4.0),))
    assert baseline.baseline_sample(whole).values == (3.0,)


def test_a_baseline_says_which_way_is_better_only_where_the_record_does():
    """The direction comes from the sample; a baseline written before there was one is still read."""
    made = make_record().samples[0]
    for better in ("lower", msgspec.UNSET):
        sample = baseline.baseline_sample(msgspec.structs.replace(made, better=better))
        assert sample.better == better
        assert ("better" in msgspec.to_builtins(sample)) == (better == "lower")
    text = baseline.encode(Baseline(claims={"toy2020/a@1": entry()})).decode()
    old = msgspec.json.decode(text.replace('"better": "lower",', ""), type=Baseline)
    assert [sample.better for sample in old.claims["toy2020/a@1"].samples] == [msgspec.UNSET]


def test_a_number_that_is_not_the_published_one_is_one_violation():
    """Exact claims on a published number are counted as those on cases are, also where it is not finite."""
    record = make_record()
    for value, bad in ((3.8, 0), (4.0, 1), (float("nan"), 1)):
        sample = Sample(arm="a", measurement="m", unit="1", seeds=(0,), values=np.array([value]))
        verdict = equals(Reported(3.8, "1", "Table 1"), within=0.05).judge([sample])
        assert baseline.violations(msgspec.structs.replace(record, verdict=verdict)) == (bad, 1)


def test_a_baseline_of_a_missing_file_says_so(tmp_path):
    """Reading and writing where nothing can be are errors with what to do."""
    with pytest.raises(ReproError, match="cannot be read"):
        baseline.read(tmp_path / "none.json")
    with pytest.raises(ReproError, match="folder without files"):
        baseline.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReproError, match="cannot be written"):
        baseline.write(Baseline(claims={}), tmp_path / "file" / "baseline.json")


def test_own_baseline_is_of_the_published_records():
    """This repository is gated on the newest published record of each claim, neither more nor less."""
    kept = baseline.read(OWN)
    newest = {r.claim.id: r for r in Store(ROOT / "leaderboard", read_only=True).newest(kind="reference")}
    for path in OWN.iterdir():
        assert baseline.encode(baseline.read(path)) == path.read_bytes()
    for claim, found in kept.claims.items():
        assert found == baseline.entry_of(newest[claim]), (
            "run: repro baseline update leaderboard/baseline --from leaderboard"
        )
    assert {claim for claim, record in newest.items() if record.claim.tier == "cpu"} >= set(kept.claims)
