"""What stands on top of the page of the CS231n notes."""

from __future__ import annotations

from repro import Drawn, Figure, Reported

LINEAR = Reported(49.0, "%", "Section Case Study, training accuracy of the linear classifier")
NET = Reported(98.0, "%", "Section Case Study, training accuracy of the network")

THEME = "vision"
HEADLINE = "network-learns-the-spiral"
FIGURES = (
    Figure(
        place="Section Case Study",
        says="A linear classifier cannot learn the three arms of a spiral; a network with one hidden layer can.",
        kind="bars",
        y="training accuracy",
        draws=(
            Drawn("linear-classifier-fails-on-the-spiral", "accuracy", label="linear classifier", published=LINEAR),
            Drawn("network-learns-the-spiral", "accuracy", label="100 hidden units", published=NET),
        ),
    ),
    Figure(
        place="Section Optimization 1",
        says="After 1,000 evaluations the gradient is ahead of local search, and local search of random search; here "
        "on small images of digits.",
        kind="bars",
        y="test accuracy",
        draws=tuple(
            Drawn("gradient-beats-searches", "accuracy", arm=arm, label=label)
            for arm, label in (
                ("random-search", "random search"),
                ("local-search", "random local search"),
                ("svm-descent", "gradient descent"),
            )
        ),
    ),
)
