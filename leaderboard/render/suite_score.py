"""The page of trust as HTML. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from html import escape

from leaderboard import style
from leaderboard.blocks import claim_link, name, notice
from leaderboard.catalogue import Catalogue
from leaderboard.queries import Line, Section
from leaderboard.repository import Calibration, Rate
from leaderboard.trust import Checked, History, Noted, Slip, checked, current, missed, noted, pooled
from repro.store import Row

NONE = '<span class="soft">&ndash;</span>'


def page(
    sections: Sequence[Section],
    past: History,
    kept: Mapping[str, tuple[Mapping[str, Calibration], str]],
    everyone: Sequence[Line],
    catalogue: Catalogue,
) -> list[str]:
    """All parts of the page.

    Args:
        sections: papers with the reference's lines.
        past: what the history of the records shows.
        kept: calibrations by id of the claim, and what is wrong with their file, by paper.
        everyone: the lines of all implementations.
        catalogue: the claims of today.
    """
    found = {one.paper.key: checked(one.claims, kept[one.paper.key][0]) for one in sections}
    troubles = {key: trouble for key, (_, trouble) in kept.items()}
    if not everyone:
        return [head(sections, past, found, everyone), empty()]
    return [
        head(sections, past, found, everyone),
        sabotages(sections, len(catalogue.missing((x.paper.key, *x.case) for x in everyone if x.is_reference))),
        slipped(past.slips, noted()),
        false_rejections(sections, found, troubles),
        runners(everyone, past.published),
        flagged(past),
    ]


def head(
    sections: Sequence[Section], past: History, found: Mapping[str, Sequence[Checked]], every: Sequence[Line]
) -> str:
    """The title, what the page is for, and the score in figures.

    Args:
        sections: papers with the reference's lines.
        past: what the history of the records shows.
        found: calibrations by paper.
        every: the lines of all implementations.
    """
    own = [one for section in sections for one in section.claims]
    rejected, controls = sum(one.rejected for one in own), sum(one.controls for one in own)
    wrong = pooled(missed(one.passed) for of in found.values() for one in current(of))
    gone = sum(not slip.open for slip in past.slips)
    figures = [
        (f"{rejected:,} of {controls:,}", "sabotages rejected"),
        (f"{wrong.hits:,} of {wrong.of:,}", "fresh repeats rejected the reference") if wrong.of else ("", ""),
        (f"{len(past.slips) - gone}", f"getting through now, {gone} mended since"),
        _run_again([one for one in every if not one.is_reference]),
        (f"{past.flags:,}", "record for review" if past.flags == 1 else "records for review"),
    ]
    numbers = "".join(f"<div><b>{value}</b><span>{text}</span></div>" for value, text in figures if value)
    return style.wrap(
        "<h1>Trust</h1>"
        '<p class="lead">A check that accepts everything proves nothing, and one that rejects everything neither. '
        "Here the suite is judged itself: by implementations that were broken on purpose, and by repeats of the "
        "reference on seeds that no claim uses.</p>" + (f'<div class="figures">{numbers}</div>' if every else "")
    )


def _run_again(submitted: Sequence[Line]) -> tuple[str, str]:
    """How many verdicts on submissions the project has found again; "" where there are none."""
    found = sum(one.runner == "verified" for one in submitted)
    says = "verdicts on submissions run again by the project"
    return (f"{found:,} of {len(submitted):,}", says) if submitted else ("", "")


def sabotages(sections: Sequence[Section], untried: int = 0) -> str:
    """How many sabotages the newest records of the reference reject, by paper, and by claim where it is unfolded.

    Args:
        sections: papers with the reference's lines.
        untried: how many claims have no record of the reference, so that nothing is known of their sabotages.
    """
    heads = ("Paper", "Sabotages rejected", "Claims with sabotages", "Powerless")
    rows, folded = [], []
    for section in sections:
        tried = [one for one in section.claims if one.controls]
        rows.append(
            (
                _paper(section),
                _of(sum(one.rejected for one in tried), sum(one.controls for one in tried)),
                _of(len(tried), len(section.claims)),
                str(sum(one.outcome == "powerless" for one in section.claims)),
            )
        )
        lines = [(_claim(one), _of(one.rejected, one.controls), style.badge(one.outcome)) for one in section.claims]
        folded.append(_fold(section, len(lines), style.table(("Claim", "Rejected", "Verdict"), lines)))
    return style.wrap(
        style.part("Sabotages")
        + "<p>Each claim is also judged on implementations with one stated mistake, of the kind that people make. A "
        "claim that accepts one of them is powerless, and its verdict counts as inconclusive. From the newest record "
        f"of each claim of the reference.{_untried(untried)}</p>" + style.table(heads, rows) + "".join(folded)
    )


def _untried(count: int) -> str:
    if not count:
        return ""
    claims = "One claim has" if count == 1 else f"{count:,} claims have"
    return f' <a href="./">{claims}</a> no record yet: their sabotages have not been tried, and are not counted.'


def slipped(found: Sequence[Slip], known: Sequence[Noted] = ()) -> str:
    """What got through, when it was seen and when it was mended.

    Args:
        found: sabotages that records show to have got through.
        known: what else went wrong, kept by hand.
    """
    says = "No record that is kept shows a sabotage that got through." if not found else ""
    rows = [(_slip(one), _pierced(one), _seen(one.since, one), _mended(one)) for one in found]
    by_hand = [(_day(one.date.isoformat()), _about(one), _told(one), _settled(one)) for one in known]
    return style.wrap(
        style.part("What slipped through")
        + f"<p>{says} If you find one, it is the most welcome contribution: it becomes a sabotage that the claim must "
        "reject from then on.</p>"
        + (style.table(("Sabotage", "Claim", "Got through", "Mended"), rows) if rows else "")
        + (
            "<h3>Written down by hand</h3><p>What went wrong with a claim and is in none of the records, with where it "
            "is known from.</p>" + style.table(("Mended on", "Claim", "What happened", "What mended it"), by_hand)
            if by_hand
            else ""
        )
    )


def _about(one: Noted) -> str:
    key, _, own = one.claim.partition("/")
    link = claim_link(one.claim) if own else f"paper?paper={escape(key)}"
    return f'<a href="{link}">{escape(one.claim)}</a><span class="sub">@{one.version}</span>'


def _told(one: Noted) -> str:
    found = f'<span class="sub">found by {escape(one.found)}</span>' if one.found else ""
    return f'{escape(one.what)}{found}<span class="sub">known from {escape(one.source)}</span>'


def _settled(one: Noted) -> str:
    return f'{escape(one.mended)}<span class="sub">commit <span class="mono">{escape(one.commit)}</span></span>'


def _slip(one: Slip) -> str:
    return f'<span class="mono">{escape(one.control)}</span><span class="sub">{escape(one.says)}</span>'


def _pierced(one: Slip) -> str:
    tag = f'<span class="tag">{escape(one.row)}</span> ' if one.row else ""
    link = claim_link(one.claim, one.row)
    return f'<a href="{link}">{tag}{escape(one.claim)}</a><span class="sub">@{one.version}</span>'


def _seen(created: str, one: Slip) -> str:
    return f'<a href="{claim_link(one.claim, one.row, record=one.record)}">{style.day(created)}</a>'


def _mended(one: Slip) -> str:
    if one.fixed:
        link = claim_link(one.claim, one.row, record=one.fixed)
        changed = f"by version @{one.fixed_version}" if one.fixed_version != one.version else "without a new version"
        return (
            f'{style.mark("rejected", good=True)}<span class="sub"><a href="{link}">{style.day(one.ended)}</a>, '
            f"{changed}</span>"
        )
    if one.dropped:
        return '<span class="soft">no longer tried: the sabotage was taken out</span>'
    return style.mark("gets through", good=False)


def false_rejections(
    sections: Sequence[Section], found: Mapping[str, Sequence[Checked]], troubles: Mapping[str, str]
) -> str:
    """How often the reference was rejected on fresh seeds, pooled by paper, and by claim where it is unfolded.

    Args:
        sections: papers with the reference's lines.
        found: calibrations by paper.
        troubles: what is wrong with the files of calibrations, by paper.
    """
    heads = ("Paper", "Reference wrongly rejected", "Sabotages rejected", "Calibrated", "Without calibration")
    rows, folded = [], []
    for section in sections:
        key = section.paper.key
        of, now = found.get(key, ()), current(found.get(key, ()))
        without = Counter(one.why.partition(":")[0] for one in of if one.found is None)
        stale = sum(one.stale for one in of)
        left = [f"{count} {why}" for why, count in without.items()] + [f"{stale} changed since"] * bool(stale)
        rows.append(
            (
                _paper(section),
                share(pooled(missed(one.passed) for one in now)),
                share(pooled(rate for one in now for rate in one.rejected.values())),
                _of(len(now), len(of)),
                (escape(", ".join(left)) or NONE) + _trouble(troubles.get(key, "")),
            )
        )
        folded.append(_fold(section, len(of), _calibrated(of)))
    return style.wrap(
        style.part("False rejections")
        + "<p>Each statistical claim of the default tier was repeated as a whole on fresh seeds. How often the "
        "reference did <em>not</em> get the verdict that it should is the claim's false-rejection rate; how often "
        "each sabotage was rejected is its power. Intervals are Clopper-Pearson at 95 %: 20 repeats without a failure "
        "still admit a rate of 16.8 %. Pooled intervals take all repeats as independent; claims that share trials are "
        "not, so they are a little too narrow.</p>" + style.table(heads, rows) + "".join(folded)
    )


def _calibrated(of: Sequence[Checked]) -> str:
    rows = [(_claim(one.line), *_rates(one)) for one in of]
    return style.table(("Claim", "Reference wrongly rejected", "Sabotages rejected", "Calibrated"), rows)


def _rates(one: Checked) -> tuple[str, str, str]:
    if one.found is None:
        return NONE, NONE, f'<span class="soft">{escape(one.why)}</span>'
    changed = '<span class="sub">the claim has changed since: not counted</span>' if one.stale else ""
    told = "".join(
        f'<div><span class="mono">{escape(control)}</span> {share(rate)}</div>'
        for control, rate in one.found.rejected.items()
    )
    return share(missed(one.found.passed)), told or NONE, escape(style.day(one.found.created)) + changed


def share(rate: Rate) -> str:
    """A rate with its interval; a dash where nothing was repeated."""
    if not rate.of:
        return NONE
    ends = f"[{rate.low:.1%}, {rate.high:.1%}]"
    return f'<span class="value">{rate.hits:,} of {rate.of:,}</span><span class="sub value">{ends}</span>'


def runners(lines: Sequence[Line], published: Collection[str] = ()) -> str:
    """Who vouches for how many verdicts, of the reference and of submissions.

    Args:
        lines: of all implementations.
        published: ids of the reference's records that lie in the repository.
    """
    kinds = [("The reference", [one for one in lines if one.is_reference])]
    kinds += [("Submissions", [one for one in lines if not one.is_reference])]
    heads = ("Of", "Verdicts", "Published", "Verified", "Self-reported")
    rows = []
    for kind, of in kinds:
        tally = Counter("published" if one.record in published else one.runner for one in of)
        ours = _of(tally["published"], len(of)) if kind == kinds[0][0] else NONE
        counted = (ours, _of(tally["verified"], len(of)), _of(tally["self-reported"], len(of)))
        if of:
            rows.append((kind, f"{len(of):,}", *counted))
    return style.wrap(
        style.part("Who ran it")
        + "<p>The reference is the project's own. Its records are <em>published</em> by pull request, and vouched for "
        "by being in the repository; others of it were run on this machine or sent in. A submission is "
        "<em>self-reported</em> by whoever made it, until the project runs the same claims again under seeds drawn at "
        "that moment and finds the same verdicts: then it is <em>verified</em>.</p>" + style.table(heads, rows)
    )


def flagged(past: History) -> str:
    """Records that a person should look at, since something about them is too good or otherwise odd."""
    if not past.flagged:
        return style.wrap(
            style.part("For review") + "<p>No record is flagged. An estimate outside of what the reference reaches in "
            "calibration, on either side, would be: implausibly good results are looked at, not celebrated.</p>"
        )
    rows = [(_day(row.created), _flagged(row), escape(row.flag)) for row in past.flagged]
    more = f"<p>The newest {len(rows)} of {past.flags:,}.</p>" if past.flags > len(rows) else ""
    return style.wrap(style.part("For review") + more + style.table(("Date", "Record", "What to look at"), rows))


def _flagged(row: Row) -> str:
    own = row.implementation if row.kind == "reference" else f"{row.kind}:{row.implementation}"
    link = claim_link(f"{row.paper}/{row.name}", row.row, own, row.id)
    return f'<a href="{link}">{style.theirs(row.claim)}</a><span class="sub">{style.theirs(own)}</span>'


def empty() -> str:
    """The page of a store without records."""
    return notice(
        "Nothing to judge yet",
        "There are no records. Run <code>pytest claims/ --controls</code>; each claim is then judged on its sabotages "
        "too.",
    )


def _day(created: str) -> str:
    return f'<span class="unbroken">{style.day(created)}</span>'


def _paper(section: Section) -> str:
    key = escape(section.paper.key)
    return f'<a href="paper?paper={key}">{escape(section.paper.title)}</a><span class="sub mono">{key}</span>'


def _claim(one: Line) -> str:
    tag = f'<span class="tag">{escape(one.row)}</span> ' if one.row else ""
    own = "" if one.is_reference else f'<span class="sub">{name(one)}</span>'
    return f'<a href="{claim_link(one.claim, one.row, one.implementation)}">{tag}{escape(one.name)}</a>{own}'


def _of(part: int, whole: int) -> str:
    return f'<span class="value">{part:,} of {whole:,}</span>' if whole else NONE


def _fold(section: Section, count: int, body: str) -> str:
    many = "1 claim" if count == 1 else f"{count} claims"
    return f"<details><summary>{escape(section.paper.key)}: {many}, one by one</summary>{body}</details>"


def _trouble(text: str) -> str:
    return f'<div class="note refuted">{escape(text)}</div>' if text else ""
