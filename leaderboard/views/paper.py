"""A paper: ?paper=key, with &scale= of the chart of published numbers and &curve= of the claim whose curves show."""

from __future__ import annotations

import streamlit as st

from leaderboard import (
    address,
    blocks,
    cached,
    charts,
    citing,
    curves,
    kept,
    panels,
    paper_sheet,
    published,
    queries,
)
from leaderboard.address import Address
from leaderboard.published import Scale
from leaderboard.queries import REFERENCE, Asked, Section
from repro.errors import ReproError

SCALES: dict[str, Scale] = {"of the published value": "published", "in margins": "margin"}


def show() -> None:
    """The page."""
    version, asked = cached.version(), Address("paper", "scale", "curve")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    key = asked.text("paper")
    names = cached.implementations(version, key) if key else []
    few = names[: paper_sheet.MOST]
    lines = [one for name in few for one in cached.board(version, Asked(paper=key, implementation=name))]
    catalogue = cached.catalogue()
    sections = queries.complete(queries.sections(lines), lines, catalogue, lambda one: one.paper.key == key)
    if not sections:
        st.set_page_config(page_title="Papers · Repro")
        known = {own: one.title for own, one in catalogue.papers.items()}
        known |= {one.paper.key: one.paper.title for one in cached.board(version, Asked(implementation=REFERENCE))}
        st.html(paper_sheet.unknown(key, known.items()))
        return
    (section,) = sections
    st.set_page_config(page_title=f"{section.paper.title} · Repro")
    st.html(paper_sheet.head(section, cached.deviations(key), len(names)))
    for part in (_forest, _curves):
        with address.place():
            part(version, asked, section)
    if section.claims:
        st.html(paper_sheet.heading("Claims"))
        st.html(paper_sheet.claims(section.claims))
    if section.findings:
        st.html(paper_sheet.heading("Findings", "What is known not to hold, and who showed it."))
        st.html(paper_sheet.findings(section))
    if lines:
        st.html(paper_sheet.heading("Implementations"))
        st.html(paper_sheet.implementations(section, names))
    st.html(paper_sheet.heading("Not measured"))
    st.html(paper_sheet.unmeasured(section))
    places = citing.served_paper(citing.base_of(st.context.url, "paper"), section.paper.key)
    panels.texts(citing.of_paper(section.paper, places))


def _forest(version: str, asked: Address, section: Section) -> None:
    """Published numbers beside ours, on a scale that can be chosen."""
    stating = [one for one in section.claims if one.reported]
    if not stating:
        return
    st.html(paper_sheet.heading("Published and reproduced"))
    found = kept.pairs(version, section.paper.key, section.claims)
    left = len(stating) - len({pair.line.case for pair in found})
    scales = list(SCALES)[: 2 if any(published.mark(pair, "margin") for pair in found) else 1]
    chosen = asked.one("scale", scales)
    if len(scales) > 1:
        address.segments("Differences", "scale", scales, chosen)
    scale = SCALES[chosen]
    marks = published.marks(found, scale)
    if marks:
        st.altair_chart(published.chart(marks, scale), width="stretch", alt=published.words(marks, scale))
    st.html(paper_sheet.forest_note(found, len(marks), scale, left))
    if found:
        st.html(paper_sheet.forest_table(found))


def _curves(version: str, asked: Address, section: Section) -> None:
    """The most telling curves, of which one claim's are drawn."""
    found = {one.name: one for one in kept.curve_list(version, section.paper.key, section.claims)}
    if not found:
        return
    st.html(paper_sheet.heading("Curves", "Every seed thin, their mean bold; over time, training or size."))
    names = list(found)
    name = asked.one("curve", names)
    address.select("Claim", "curve", names, name)
    chosen = found[name]
    try:
        record = kept.record(version, chosen.record)
        pictures = charts.pictures(curves.only(record))
    except (ReproError, ValueError, IndexError):  # a sound record may still hold rows of unequal length
        st.html(blocks.footnote("These samples have no common shape and cannot be drawn; the record has them."))
        return
    st.html(blocks.footnote(chosen.says))
    for picture in pictures:
        st.altair_chart(picture.chart, width="stretch", alt=picture.alt)


show()
