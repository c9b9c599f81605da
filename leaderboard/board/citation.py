"""How a paper, a claim and a record are cited, linked and embedded, as texts to copy. Only what records say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leaderboard.board.lines import REFERENCE, label, short_id, submission_part
from repro.paper import Paper
from repro.record.record import Record

TITLE = "Cite, link, embed"
LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
}
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class CitationText:
    """Something to copy, and what it is."""

    title: str
    text: str


@dataclass(frozen=True)
class Addresses:
    """Where things lie, whole or relative to the board.

    Attributes:
        page: that is cited; "" where its address is not known.
        badge: a picture; "" where there is none.
        data: what it is as JSON, and where.
    """

    page: str = ""
    badge: str = ""
    data: tuple[tuple[str, str], ...] = ()


def served_paper(base: str, paper: str) -> Addresses:
    """The addresses of a paper and of what a server has of it."""
    page = f"{base}paper?{urlencode({'paper': paper})}"
    return Addresses(page, f"{base}badge/{_path(paper)}.svg", (("All verdicts as JSON", f"{base}api/claims.json"),))


def served_claim(base: str, record: Record) -> Addresses:
    """The addresses of a record's claim, as its implementation answers it."""
    claim, key, own = record.claim, record.paper.key, label(record)
    asked = {"claim": f"{key}/{claim.name}"} | ({"row": claim.row} if claim.row else {})
    who = {} if own == REFERENCE else {"implementation": own}
    badge = f"{base}badge/{_path(key)}/{_path(claim.name)}.svg"
    badge += f"?{urlencode({'implementation': record.implementation.name})}" if who else ""
    return Addresses(f"{base}claim?{urlencode(asked | who, safe='/:')}", badge, _data(base, record))


def served_record(base: str, record: Record) -> Addresses:
    """The addresses of a record; its badge is that of its claim."""
    page = f"{base}record?record={short_id(record.id)}"
    return Addresses(page, served_claim(base, record).badge, _data(base, record))


def _data(base: str, record: Record) -> tuple[tuple[str, str], ...]:
    whole = f"{base}api/records/{record.id.removeprefix('sha256:')}"
    return (("The record as JSON", whole), ("All verdicts as JSON", f"{base}api/claims.json"))


def _path(name: str) -> str:
    return quote(name, safe="")


def base_of(url: str | None, page: str) -> str:
    """The address of the board, of which `page` has this address; "" where that is not known."""
    if not url:
        return ""
    return f"{url.rstrip('/').removesuffix(f'/{page}')}/"


def of_paper(about: Paper, places: Addresses) -> list[CitationText]:
    """Texts to copy on the page of a paper."""
    return [CitationText("The paper, for BibTeX", bibtex_paper(about)), *_links(places, f"Repro: {about.key}")]


def of_claim(record: Record, places: Addresses) -> list[CitationText]:
    """Texts to copy on the page of a claim: the paper, the record that the page shows, and where they are."""
    return [
        CitationText("The paper, for BibTeX", bibtex_paper(record.paper)),
        CitationText("This record, for BibTeX", bibtex_record(record, places.page)),
        *_links(places, f"Repro: {record.paper.key}/{record.claim.name}"),
    ]


def _links(places: Addresses, says: str) -> list[CitationText]:
    found = [CitationText("Permanent link", places.page)] if places.page else []
    if places.badge:
        picture, page = places.badge, places.page
        safe = re.sub(r"[\[\]\\<>&\"`*_]|[\x00-\x1f]", " ", says)
        mark = [quote(x, safe="/:?=&.,;+%-_~") for x in (picture, page)]  # a space or a bracket would end an address
        found.append(CitationText("Badge, for Markdown", f"[![{safe}]({mark[0]})]({mark[1]})"))
        escaped = [x.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;") for x in (page, picture)]
        found.append(
            CitationText("Badge, for HTML", f'<a href="{escaped[0]}"><img src="{escaped[1]}" alt="{safe}"></a>')
        )
    return [*found, *(CitationText(name, where) for name, where in places.data)]


def bibtex_paper(about: Paper) -> str:
    """A paper as an entry of BibTeX; of what kind it is no record says, so it is of the kind that fits all."""
    number = re.sub(r"v\d+\Z", "", about.arxiv)
    fields = [
        ("title", f"{{{_tex(about.title)}}}"),
        ("author", " and ".join(_name(author) for author in about.authors)),
        ("year", str(about.year)),
        ("howpublished", _tex(about.venue)),
        ("eprint", _tex(number)),
        ("archiveprefix", "arXiv" if number else ""),
        ("url", _tex_url(about.url)),
    ]
    return _entry(about.key, fields)


def bibtex_record(record: Record, page: str) -> str:
    """A record as an entry of BibTeX; its authors are those of a submission, for no record names others."""
    part, own = submission_part(record), record.software.repro
    where = f"commit {record.source.commit}" if record.source.commit else "not in git"
    fields = [
        ("title", f"{{{_tex(record.claim.id)}}}: {_tex(record.outcome)}"),
        ("author", " and ".join(_name(author) for author in part.authors) if part else ""),
        ("year", record.created[:4]),
        ("howpublished", f"Record of the reproduction test suite Repro{f' {_tex(own)}' if own else ''}"),
        ("note", f"{record.created[:10]}, {_tex(label(record))}, {_tex(where)}, {_tex(record.id)}"),
        ("url", _tex_url(page if page.startswith(("http://", "https://")) else "")),
    ]
    return _entry(f"repro-{short_id(record.id)}", fields)


def _entry(key: str, fields: Sequence[tuple[str, str]]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields if value]
    return "\n".join([f"@misc{{{key},", *lines, "}"])


def _tex(text: str) -> str:
    """A text in which nothing is a command of TeX, on one line."""
    return "".join(LATEX.get(c, c) for c in CONTROL.sub(" ", text))


def _name(author: str) -> str:
    """An author; in braces where BibTeX would take part of the name for another author's."""
    own = _tex(author)
    return f"{{{own}}}" if re.search(r"\band\b|,", author) else own


def _tex_url(address: str) -> str:
    """A web address, without what would end the field; "" for anything else."""
    return quote(address, safe="/:?=&.,;+%#~@!$'()*[]-_") if address.startswith(("http://", "https://")) else ""
