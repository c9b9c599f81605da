"""submission.toml: what a submission says of itself. `python -m harness.submission.manifest` prints the JSON schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.sandbox.inside.limits import CEILING, Limits
from repro.errors import ReproError, unknown
from repro.paper import KEY
from repro.record.format import SUBMISSION, is_submission_name, print_schema

ManifestLine = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
SubmissionName = Annotated[str, msgspec.Meta(pattern=rf"^{SUBMISSION}\Z")]


class Deviation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One difference from the paper.

    Attributes:
        paper: what the paper does, with the section.
        here: what this submission does.
        why: the reason.
    """

    paper: ManifestLine
    here: ManifestLine
    why: ManifestLine


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A submission.toml.

    Attributes:
        schema: version of this format.
        paper: key of the paper, such as "he2015".
        name: what the board calls it: small letters, digits and hyphens.
        summary: what is different about it, in one line.
        authors: whose it is.
        license: an SPDX identifier, such as "Apache-2.0".
        division: "closed" (the paper's protocol: the reference's presets) or "open" (anything but data and measure).
        claims: names of the claims that it answers; empty for all.
        deviation: its differences from the paper.
        limits: what a trial of it needs, within what the harness grants.
    """

    schema: Literal[1]
    paper: Annotated[str, msgspec.Meta(pattern=rf"^{KEY}\Z")]
    name: SubmissionName
    summary: ManifestLine
    authors: Annotated[tuple[ManifestLine, ...], msgspec.Meta(min_length=1)]
    license: ManifestLine
    division: Literal["closed", "open"]
    claims: tuple[str, ...] = ()
    deviation: tuple[Deviation, ...] = ()
    limits: Limits = Limits()


def read(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ReproError: for the first thing that is wrong with it, with the line or the key.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ReproError(f"submission.toml is not valid TOML: {error}", "Texts need quotes, lists brackets.") from error
    except UnicodeDecodeError as error:
        raise ReproError("submission.toml is not text in UTF-8", "Save it as UTF-8.") from error
    except (RecursionError, ValueError) as error:
        raise ReproError("submission.toml is nested too deeply, or has a number of too many digits", REMEDY) from error
    for key in table:
        if key not in Manifest.__struct_fields__:
            raise unknown("key of submission.toml", key[:80], Manifest.__struct_fields__)
    try:
        manifest = msgspec.convert(table, Manifest)
    except msgspec.ValidationError as error:
        raise ReproError(_expected(str(error)), REMEDY) from error
    check_name(manifest.name)
    manifest.limits.within(CEILING)
    return manifest


def check_name(name: str) -> None:
    """Check what a submission is called.

    Raises:
        ReproError: for what is no name, and for one that would be taken for the reference.
    """
    if not is_submission_name(name):
        raise ReproError(
            f"{name!a:.80} will not do as the name of a submission",
            "Use small letters, digits and hyphens, 40 at most, such as fast-resnet, and not what reads as reference.",
        )


REMEDY = "See docs/reference/submission.schema.json, or start from `repro submission new PAPER NAME`."
EXPECTED = {
    "schema": "1",
    "paper": 'the key of a paper, such as "he2015"',
    "name": 'small letters, digits and hyphens, 40 at most, such as "fast-resnet"',
    "summary": "one line of text",
    "authors": 'a list of names, such as ["Ada Lovelace"]',
    "license": 'an SPDX identifier, such as "Apache-2.0"',
    "division": '"closed" or "open"',
    "claims": 'a list of names of claims, such as ["plain-degrades"]',
    "deviation": "tables [[deviation]], each with one line of text for paper, here and why",
    "limits": f"a table with whole numbers for some of {', '.join(Limits.__struct_fields__)}",
}


def _expected(text: str) -> str:
    """The message of msgspec as one that names the key and what it should be."""
    if text.startswith("Object missing required field") and " - at " not in text:
        key = text.split("`")[1]
        return f"submission.toml has no {key}; it should be {EXPECTED[key]}"
    what, _, where = text.partition(" - at `$.")
    key = where.rstrip("`").split(".")[0].split("[")[0]
    return f"submission.toml: {key} should be {EXPECTED[key]} ({where.rstrip('`')}: {what[0].lower()}{what[1:200]})"


if __name__ == "__main__":
    print_schema(Manifest)
