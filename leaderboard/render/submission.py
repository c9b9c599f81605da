"""What a submission is and costs, as HTML. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leaderboard.board.lines import line, submission_part, unjailed
from leaderboard.render import style
from leaderboard.render.components import heading, name
from leaderboard.render.parts import Html, PagePart
from repro.record.record import Ratio, Record, SubmissionPart


def parts(record: Record) -> list[PagePart]:
    """What a submission is and what it costs; nothing for the reference."""
    if record.implementation.kind != "submission":
        return []
    part = submission_part(record)
    return [
        heading("Submission"),
        Html(submission(record)),
        heading("Costs"),
        Html(costs(part.costs if part else ())),
    ]


def submission(record: Record) -> str:
    """What a submission states about itself, how it was run, and what was checked before it was scored."""
    own, part = record.implementation, submission_part(record)
    division = style.division(own.division)
    facts = [
        ("name", name(line(record))),
        ("division", _meant(division, style.DIVISIONS[own.division].meaning) if own.division else ""),
        ("run by", _meant(style.runner(record.runner), style.RUNNERS[record.runner].meaning)),
    ]
    if part is None:
        return style.wrap(style.facts(facts) + '<p class="soft">This record has no more on the submission.</p>')
    facts += [
        ("summary", style.theirs(part.summary)),
        ("authors", ", ".join(map(style.theirs, part.authors))),
        ("licence", style.theirs(part.licence)),
        ("isolation", _meant(style.unjailed() if unjailed(part) else "", part.isolation)),
        ("seeds", _seeds(part)),
        ("code", f"{style.theirs(part.shared)} functions shared with the reference"),
        ("deviations", _list(part.deviations) or "none declared"),
        ("audits", _list(part.audits) or "none passed before this was scored"),
    ]
    return style.wrap(style.facts(facts))


def _meant(badge: str, meaning: str) -> str:
    return f'{badge} <span class="soft">{style.theirs(meaning)}</span>' if badge else style.theirs(meaning)


def _seeds(part: SubmissionPart) -> str:
    if part.salt:
        return f"derived from its source, the salt {style.theirs(part.salt, mono=True)} and each trial's seed"
    return "derived from its source and each trial's seed; no salt"


def _list(items: Iterable[str]) -> str:
    found = "".join(f"<li>{style.theirs(item)}</li>" for item in items)
    return f"<ul>{found}</ul>" if found else ""


def costs(found: Sequence[Ratio]) -> str:
    """What a submission costs as ratios to the reference's, with their intervals and the reference's own values."""
    values = [style.memory(x.reference) if x.unit == "B" else style.amount(x.reference, x.unit) for x in found]
    rows = [
        (
            style.theirs(cost.what),
            style.ratio(cost) + drawn,
            f"{cost.pairs}",
            f'<span class="value">{own}</span>',
        )
        for cost, drawn, own in zip(found, style.ratio_forests(found), values, strict=True)
    ]
    if not rows:
        return style.wrap('<p class="soft">Not measured.</p>')
    heads = ("What", "Ratio to the reference's", "Pairs of runs", "The reference's own")
    note = (
        "Geometric means over pairs of runs, both in the same isolation on one machine, alternating; 95 % t intervals."
    )
    scale = "All are drawn on one logarithmic scale; the dashed line is the reference."
    return style.wrap(style.table(heads, rows) + f'<p class="soft small">{note} {scale}</p>')
