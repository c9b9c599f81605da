"""What stands on top of the page of Shen, Uspensky and Vereshchagin (2017)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "theory and complexity"
HEADLINE = "codes-near-entropy[lzma]"
FIGURES = (
    Figure(
        place="Section 7",
        says="A coin's entropy bounds what its tosses take: files are some tenths above it, the code by frequencies "
        "hardly.",
        kind="lines",
        x="entropy of a toss (bits)",
        y="bits a toss",
        draws=tuple(
            Drawn(f"codes-near-entropy[{name}]", "rate", label=label)
            for name, label in (
                ("zlib", "zlib"),
                ("bz2", "bz2"),
                ("lzma", "lzma"),
                ("frequencies", "code by frequencies"),
            )
        ),
    ),
)
