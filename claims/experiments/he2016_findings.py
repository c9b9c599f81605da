"""What a claim of He et al. (2016) is known by not to hold."""

from __future__ import annotations

from repro import refuted

WITH_NORMALIZATION = refuted(
    "Arithmetic: the 19.4 million that Table 4 repeats from the earlier paper (arXiv:1512.03385) for 1202 layers "
    "include normalization; counted so, the 1001-layer network has 10.33 million parameters.",
    words={
        "Table 4, caption": "For the ResNets we also report the number of parameters.",
        "Table 4, CIFAR-10": "ResNet-1202 [1] (19.4M)",
        "Table 4, CIFAR-10, below": "ResNet-1001 [ours] (10.2M)",
    },
    settings=(
        "numbers of parameters in one table, of 1202 layers from the earlier paper and of 1001 with bottlenecks",
        "both with the scales and shifts of normalization and the classifier, and both without",
    ),
    calculation=[
        ("1202 layers, 400 at each width: stem and classifier", "ends = 9 * 3 * 16 + 64 * 10 + 10"),
        ("its 3x3 kernels", "plain = ends + 9 * (16**2 * 400 + 16 * 32 + 32**2 * 399 + 32 * 64 + 64**2 * 399)"),
        ("its scales and shifts", "scales = 2 * 16 + 2 * 400 * (16 + 32 + 64)"),
        ("with them: 19.4 is printed", "(plain + scales) / 1e6", "M"),
        ("without them", "plain / 1e6", "M"),
        ("1001 layers, 111 units at each width w: stem, classifier", "outer = 9 * 3 * 16 + 256 * 10"),
        ("units from 4w maps to 4w: 1x1, 3x3, 1x1", "units = 110 * (4 + 9 + 4) * (16**2 + 32**2 + 64**2)"),
        ("the first at each width, with its projection", "firsts = 18 * 16**2 + (2 + 9 + 4 + 8) * (32**2 + 64**2)"),
        ("without normalization: 10.2 is printed", "(outer + units + firsts) / 1e6", "M"),
        (
            "scales and shifts: w, w and 4w maps a unit; stem and end",
            "more = 2 * 110 * 6 * 112 + 64 + 8 * 96 + 32 + 512",
        ),
        ("with them", "(outer + units + firsts + more + 10) / 1e6", "M"),
    ],
)
