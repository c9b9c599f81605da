"""What contradicts the arithmetic of Krizhevsky et al.: their words, both settings, and a calculation."""

from __future__ import annotations

from repro import refuted

FIRST_LAYER = refuted(
    "Arithmetic: 96 maps of 55x55 are 290,400 neurons. The caption's 253,440 is 55 x 48 x 96, and with it all "
    "layers would have 622,312 rather than about 650,000.",
    words={
        "Figure 2, caption": (
            "The network's input is 150,528-dimensional, and the number of neurons in the network's remaining "
            "layers is given by 253,440-186,624-64,896-64,896-43,264-4096-4096-1000."
        ),
        "Abstract": "The neural network, which has 60 million parameters and 650,000 neurons",
    },
    settings=(
        "The network of Figure 2: 96 kernels of 11x11 at a stride of 4 on an input of 224x224.",
        "The same, its input padded by 2, which gives the later layers their stated numbers.",
    ),
    calculation=[
        ("side of 96 square maps with the caption's neurons, which is no whole number", "sqrt(253440 / 96)"),
        ("side of the maps that 224 pixels padded by 2 give", "side = (224 + 2 * 2 - 11) // 4 + 1", "pixels"),
        ("neurons of the first layer", "first = 96 * side ** 2"),
        ("neurons of the later layers", "later = 186624 + 2 * 64896 + 43264 + 2 * 4096 + 1000"),
        ("of all, where the abstract says 650,000", "first + later"),
        ("of all by the caption", "253440 + later"),
    ],
)

ONE_PERCENT = refuted(
    "Arithmetic: by the shapes of Section 3.5 the third convolution holds 1.45 % of the parameters and the fourth "
    "1.09 %.",
    words={
        "Section 1": (
            "we found that removing any convolutional layer (each of which contains no more than 1% of the model's "
            "parameters) resulted in inferior performance."
        ),
        "Section 3.5": (
            "The third convolutional layer has 384 kernels of size 3 x 3 x 256 connected to the (normalized, "
            "pooled) outputs of the second convolutional layer. The fourth convolutional layer has 384 kernels of "
            "size 3 x 3 x 192"
        ),
    },
    settings=("The network of Figure 2, 60 million parameters.", "The same, with biases: 60,965,224."),
    calculation=[
        ("parameters of the third convolution", "third = 384 * (3 * 3 * 256 + 1)"),
        ("parameters of the fourth", "fourth = 384 * (3 * 3 * 192 + 1)"),
        ("share of the third in the abstract's 60 million", "100 * third / 60e6", "%"),
        ("share of the fourth", "100 * fourth / 60e6", "%"),
    ],
)
