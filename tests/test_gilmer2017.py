"""The reference of gilmer2017 in cases worked out by hand."""

import numpy as np
import pytest

from reference import gilmer2017 as mpnn


def test_bins_and_rates_by_hand():
    """Bins hold their lower ends, bonds have none, and a rate that falls after half of ten updates to a fifth."""
    links = np.column_stack([[1.9, 2, 2.5, 6, 3], np.zeros((5, 3)), [0, 0, 0, 0, 1]])
    labels, edge = mpnn.edge_vectors(mpnn.CONFIGS["gg-nn"], links)
    assert edge.all()
    assert labels.argmax(1).tolist() == [4, 5, 6, 13, 3]
    config = mpnn.Config(updates=10, lr=1.0, decay_from=0.5, decay_to=0.2)
    assert [mpnn.rate(config, step) for step in (5, 6, 9)] == pytest.approx([1, 0.84, 0.36])
