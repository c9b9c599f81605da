"""What stands on top of the page of Yu and Koltun (2016)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "vision"
HEADLINE = "dilation-helps"
FIGURES = (
    Figure(
        place="Figure 1",
        says="Dilations of 1, 2 and 4 make receptive fields of 3x3, 7x7 and 15x15 places, without holes.",
        kind="exhibit",
        draws=(Drawn("receptive-fields", "growth", label="fields"),),
    ),
    Figure(
        place="Figure 2",
        says="A context module that starts at the identity restores a label map; here from generated, noisy scores.",
        kind="exhibit",
        draws=(Drawn("dilation-helps", "maps", arm="identity", label="label maps"),),
    ),
)
