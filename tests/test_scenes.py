"""Scenes: loaders on folders of the published layouts, how label maps are scored, and training on them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from claims.experiments.label_maps import mean_iou, one_hot
from claims.experiments.label_scenes import SceneLabelling
from claims.experiments.yu2016 import pairs, restored
from reference import yu2016 as nets
from repro import Setting, data
from repro.data import camvid, camvid_labels, voc2012
from repro.errors import ReproError, Unavailable


def test_intersection_over_union():
    """Of four places two are right: classes have 1 of 2 and 1 of 3; a tie is no answer, and 9 no label."""
    labels = np.array([[[0, 0, 1, 1, 9]]])
    scores = one_hot(np.array([[[0, 1, 1, 0, 0]]]), 2)
    assert mean_iou(scores, labels) == pytest.approx(100 / 3)
    assert mean_iou(np.zeros((1, 2, 1, 5)), labels) == 0


def test_scores_of_any_map_must_be_those_of_the_weights():
    """A prediction that is right of the first map and made up of the others counts for nothing."""
    config = nets.Config(classes=2, dilations=(1,), multiples=(1,), size=(3, 3), padding=1, updates=0)
    maps = np.random.default_rng(0).standard_normal((9, 2, 3, 3))
    _, model = next(nets.train(config, pairs(maps, maps), seed=0, device="cpu"))
    setting = Setting(config=config, seed=0, device="cpu")
    assert np.isfinite(restored(cast("Any", nets), setting, nets.state(model), maps)).all()

    def predict(graphs):
        return np.concatenate([model.predict(graphs)[:1], 4 * graphs.nodes[1:]])

    cheater: Any = SimpleNamespace(restore=lambda *_, **__: SimpleNamespace(predict=predict))
    assert np.isnan(restored(cheater, setting, nets.state(model), maps)).all()


def write(path: Path, array: np.ndarray) -> None:
    """An image file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8)).save(path)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Where two scenes of each split lie, in the layouts of VOC 2012 and CamVid."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    data._read.cache_clear()
    rng, voc = np.random.default_rng(0), tmp_path / "VOCdevkit" / "VOC2012"
    (voc / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split in ("train", "val"):
        for n, size in enumerate(((30, 40), (50, 20))):
            write(voc / "JPEGImages" / f"{split}{n}.jpg", rng.integers(0, 256, (*size, 3)))
            write(voc / "SegmentationClass" / f"{split}{n}.png", np.where(np.eye(*size), 255, n + 1))
        (voc / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(f"{split}0\n{split}1\n")
    for split in ("train", "val", "test"):
        for n in range(2):
            write(tmp_path / "camvid" / split / f"{n}.png", rng.integers(0, 256, (48, 64, 3)))
            write(tmp_path / "camvid" / f"{split}annot" / f"{n}.png", rng.integers(0, 12, (48, 64)))
    monkeypatch.setattr(voc2012, "COUNTS", {"train": 2, "val": 2})
    monkeypatch.setattr(camvid, "COUNTS", {"train": 2, "test": 2})
    return tmp_path


def test_voc_is_read_as_published(root):
    """Photographs of any size stand in the corner of 512x512, without labels beyond; numbers are the palette's."""
    found = data.load("voc2012")
    assert found.train.images.shape == (2, 512, 512, 3)
    assert found.test.maps[1, 0, :21].tolist() == [255, *[2] * 19, 255]
    assert data.digest("voc2012") == found.digest
    (root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "val1.jpg").unlink()
    with pytest.raises(ReproError, match=r"val1\.jpg is missing"):
        data.digest("voc2012")
    (root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").unlink()
    with pytest.raises(Unavailable, match="by hand"):
        voc2012.load()


def test_a_front_end_and_a_module_are_trained_on_camvid(root):
    """From frames and weights on disk to a mean intersection over union."""
    tiny = replace(
        nets.CONFIGS["front-end-camvid"], widths=(2,) * 5, fully=2, size=(48, 64), padding=186, mode="zero", updates=2,
        batch=1,
    )  # fmt: skip
    shapes = list(nets.shapes(tiny).items())[:-2]
    weights: Any = {name: np.full(shape, 0.1) for name, shape in shapes}
    np.savez(root / "camvid" / "vgg16.npz", **weights)
    small = {**nets.CONFIGS, "dilation8": replace(nets.CONFIGS["dilation8"], updates=1)}
    scenes = data.load("camvid")
    assert scenes.train.start["k1"].shape == (2, 3, 3, 3)
    names = type("Names", (), {**vars(nets), "CONFIGS": small})
    found = SceneLabelling(("dilation8",))(names, Setting(config=tiny, seed=0, device="cpu", data=scenes))
    assert set(found) == {"front end", "dilation8"}
    assert all(0 <= value.value < 30 for value in found.values())
    (root / "camvid" / "test" / "1.png").write_bytes(b"other")
    with pytest.raises(ReproError, match=r"1\.png cannot be read"):
        camvid.load()


def test_label_maps_that_stand_in():
    """They are read whole, and another file is refused."""
    if not camvid_labels.available():
        pytest.skip(f"REPRO_DATA {os.environ.get('REPRO_DATA', '')!r} holds no camvid_labels")
    found = camvid_labels.load()
    assert (found.train.maps.shape, found.test.maps.shape) == ((367, 360, 480), (233, 360, 480))
    assert set(np.unique(found.test.maps)) == set(range(12))


def test_another_file_of_label_maps_is_refused(tmp_path, monkeypatch):
    """By its checksum."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    (tmp_path / "camvid_labels").mkdir()
    (tmp_path / "camvid_labels" / camvid_labels.FILE).write_bytes(b"other")
    with pytest.raises(ReproError, match="its sha256 is"):
        camvid_labels.load()
