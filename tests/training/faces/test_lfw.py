"""Reading and embedding LFW."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

pytest.importorskip("torch", reason="requires the extra `train`")

from app.faces.decisions.normalisation import NoNormalisation
from app.faces.pipeline.decode import ImageLimits
from app.faces.pipeline.embed import load_embedder
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.quality_model import QualityModel
from tests.models import TRAINED
from training.faces.lfw import embed_photos, identity_of, pair_scores, read_pairs

CPU = ["CPUExecutionProvider"]
LINES = ["2\t1", "Ada\t1\t2", "Ada\t1\tGrace\t1", "Ada\t2\t3", "Ada\t2\tGrace\t1"]


def test_pairs_are_read_by_fold(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(LINES) + "\n")
    pairs = read_pairs(file)
    assert (pairs.a[1], pairs.b[1]) == ("Ada_0001.jpg", "Grace_0001.jpg")
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert identity_of("Ada_Lovelace_0001.jpg") == "Ada_Lovelace"
    file.write_text("\n".join(LINES[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"3 pairs; its first line states 4"):
        read_pairs(file)


def test_a_photo_without_a_face_has_an_aligned_vector_only(tmp_path: Path) -> None:
    """Its crop is cut at the usual position, so that the embedder can be measured alone."""
    portrait = skimage.data.astronaut()[:250, 100:350]
    photos = {"Ada_0001.jpg": portrait, "Ada_0002.jpg": np.full((250, 250, 3), 128, np.uint8)}
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        for name, image in photos.items():
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "JPEG")
            member = tarfile.TarInfo(f"lfw/{name}")
            member.size = stream.tell()
            stream.seek(0)
            tar.addfile(member, stream)
    embedder = load_embedder(TRAINED, CPU)
    quality = QualityModel(CPU)
    pipeline = FacePipeline(Mtcnn(CPU), embedder, ImageLimits(), QualityLimits(), quality)
    vectors = embed_photos(archive, pipeline)
    face, empty = vectors["Ada_0001.jpg"], vectors["Ada_0002.jpg"]
    assert face.subject is not None
    assert face.largest is not None
    assert face.subject == pytest.approx(face.aligned), "one face takes every role"
    assert (empty.subject, empty.largest) == (None, None)
    assert np.linalg.norm(empty.aligned) == pytest.approx(1.0, abs=1e-5)

    file = tmp_path / "pairs.txt"
    file.write_text("1\t1\nAda\t1\t1\nAda\t1\tAda\t2\n")
    similarities = pair_scores(
        read_pairs(file), lambda name: vectors[name].subject, NoNormalisation()
    )
    assert similarities[0] == pytest.approx(1.0, abs=1e-5)
    assert np.isnan(similarities[1])
