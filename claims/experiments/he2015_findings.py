"""What two claims of He et al. (2015) are known by not to hold."""

from __future__ import annotations

from repro import refuted

FIFTY = refuted(
    "Arithmetic: the 50-layer network of Table 1, with its projections where sizes change (option B), takes 3.858 "
    "billion multiply-adds, which rounds to 3.9; those of 101 layers are rounded, from 7.570 to 7.6.",
    words={
        "Section 4.1": "We use option B for increasing dimensions. This model has 3.8 billion FLOPs.",
    },
    settings=(
        "the 50-layer network of Table 1 on an image of 224x224 pixels; FLOPs are multiply-adds (Section 3.3)",
        "the same, strides in each stage's first 1x1 convolution, which is the least; convolutions and classifier",
    ),
    calculation=[
        ("7x7, 64 of 3 maps, 112x112", "stem = 7 * 7 * 3 * 64 * 112 ** 2"),
        ("a block, on w maps: 1x1, 3x3, 1x1 of 4w maps; the same at each size", "block = 17 * 64 ** 2 * 56 ** 2"),
        ("blocks that follow another of their size: 2 + 3 + 5 + 2", "later = 12 * block"),
        ("at 56x56, the first of 64 maps, with its projection", "one = (1 + 9 + 4 + 4) * 64 ** 2 * 56 ** 2"),
        ("at 28, 14 and 7, the first of 2w maps, with its projection", "three = 3 * (2 + 9 + 4 + 8) * 128**2 * 28**2"),
        ("in all", "total = (stem + later + one + three + 2048 * 1000) / 1e9", "G"),
        ("to the digits printed", "round(total, 1)", "G"),
        ("101 layers have 17 blocks more, and 7.6 is printed", "round(total + 17 * block / 1e9, 1)", "G"),
    ],
)

VGG_16_FLOPS = refuted(
    "Arithmetic: the paper's figures for its own networks and for VGG-19 (19.6) include the fully connected "
    "layers; counted so, VGG-16 takes 15.47 billion, and 15.3 only without them.",
    words={
        "Section 4.1": "the 152-layer ResNet (11.3 billion FLOPs) still has lower complexity than VGG-16/19 nets "
        "(15.3/19.6 billion FLOPs)"
    },
    settings=(
        "VGG-16 and VGG-19 on an image of 224x224 pixels, multiply-adds",
        "the same, convolutions and the three fully connected layers, which VGG-19's figure includes",
    ),
    calculation=[
        ("at 224x224 and 112x112", "large = 9 * 224**2 * (3 * 64 + 64**2) + 9 * 112**2 * (64 * 128 + 128**2)"),
        ("at 56x56 and 28x28", "middle = 9 * 56**2 * (128 * 256 + 2 * 256**2) + 9 * 28**2 * (256 * 512 + 2 * 512**2)"),
        ("convolutions", "convolutions = (large + middle + 9 * 14**2 * 3 * 512**2) / 1e9", "G"),
        ("fully connected", "connected = (25088 * 4096 + 4096 * 4096 + 4096 * 1000) / 1e9", "G"),
        ("VGG-16", "convolutions + connected", "G"),
        ("three more in VGG-19", "more = 9 * (56**2 * 256**2 + 28**2 * 512**2 + 14**2 * 512**2) / 1e9", "G"),
        ("VGG-19, to the digits printed: 19.6", "round(convolutions + more + connected, 1)", "G"),
        ("and without fully connected layers", "round(convolutions + more, 1)", "G"),
    ],
)
