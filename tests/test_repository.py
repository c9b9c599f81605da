"""What pages read of the repository beside its records."""

from __future__ import annotations

import json

from leaderboard.board import lines, queries, repository
from leaderboard.render import components, judgement
from tests import factory


def test_calibration_is_read_for_the_claim(tmp_path):
    """The rates of the claim's calibration are found by its id; a broken file is a message, not an error."""
    record, folder = factory.degrades(), tmp_path / "claims" / "calibration"
    assert repository.calibration(record, tmp_path) == (None, "")
    folder.mkdir(parents=True)
    rate = {"hits": 20, "of": 20, "low": 0.83, "high": 1.0}
    entry = {"digest": record.claim.digest, "created": "2026-11-20T00:00:00Z", "passed": rate, "seeds": 5}
    entry["rejected"] = {"residual_as_plain": rate}
    (folder / "he2015.json").write_text(json.dumps({record.claim.id: entry}))
    found, trouble = repository.calibration(record, tmp_path)
    assert found is not None
    assert not trouble
    assert "20 of 20" in judgement.controls(record, found)
    assert "20 of 20" in judgement.calibration(found, "", record)
    (folder / "he2015.json").write_text("{broken")
    assert "he2015.json cannot be read" in repository.calibration(record, tmp_path)[1]


def test_deviations_are_those_in_the_header_of_the_reference(tmp_path):
    """Each numbered deviation is one line of text; a paper without a readable reference has none, and no error."""
    folder = tmp_path / "reference"
    folder.mkdir()
    header = '"""A paper.\n\nDeviations\n  1. Less data\n     than there is.\n  2. No <b>GPU</b>.\n"""\n'
    (folder / "he2015.py").write_text(header + "raise SystemExit\n")
    found = repository.deviations("he2015", tmp_path)
    assert found == ("Less data than there is.", "No <b>GPU</b>.")
    (section,) = queries.sections([lines.line(factory.degrades())])
    shown = components.paper(section, found)
    assert "2 deviations of the reference from the paper" in shown
    assert "<li>No &lt;b&gt;GPU&lt;/b&gt;.</li>" in shown
    assert repository.deviations("nobody2020", tmp_path) == ()
    (folder / "he2015.py").write_text("not python(")
    assert repository.deviations("he2015", tmp_path) == ()
