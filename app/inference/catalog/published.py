"""Lists the published FaceNet models that `sima models pull` can install."""

from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import ModelError
from app.inference.catalog.download import Source, without_credentials
from app.inference.manifest import BoxMargin, InputSpec, Training

GRAPH = "inception_resnet_v1.onnx"
"""File in `models/graphs`: Inception-ResNet v1 at width 1 with one input per weight."""

INPUT = InputSpec(size=160, channels="RGB", mean=(127.5,) * 3, std=(128.0,) * 3)
# facenet-pytorch 2.6 evaluates on LFW with a margin of 14 of 160 pixels and stretched sides.
ALIGNMENT = BoxMargin(kind="box-margin", margin=14 / (160 - 14), stretch=True)
DIMENSION = 512

_REVISION = "8dd79278b755ee24ee9922619122df8a2b80b787"
_HUB = f"https://huggingface.co/py-feat/facenet/resolve/{_REVISION}"
_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A published set of weights; the first available source is used."""

    name: str
    title: str
    licence: str
    training: Training
    sources: tuple[Source, ...]

    def mirror(self, url: str, sha256: str | None) -> Source:
        """Returns the source with the same file suffix, downloaded from `url`.

        `sha256` replaces the pinned digest. Raises ModelError if no source has the suffix.
        """
        suffix = Path(url.partition("?")[0]).suffix
        source = next((s for s in self.sources if Path(s.file).suffix == suffix), None)
        if source is None:
            suffixes = " or ".join(Path(s.file).suffix for s in self.sources)
            raise ModelError(f"{without_credentials(url)} does not end with {suffixes}")
        if sha256 is not None:
            return Source(url, source.file, sha256)
        return replace(source, url=url)


PUBLISHED_MODELS = (
    PublishedModel(
        name="facenet-vggface2",
        title="FaceNet 20180402-114759, Inception-ResNet v1, 512-d (published LFW 0.9965)",
        licence="MIT (code and weights); trained on VGGFace2, research use only",
        training=Training(
            data="VGGFace2, 3.3 million photos of 9,131 people; research use only",
            method="softmax classification (D. Sandberg), converted by facenet-pytorch",
        ),
        sources=(
            Source(
                url=f"{_HUB}/model.safetensors",
                file="20180402-114759-vggface2.safetensors",
                sha256="060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d",
                size=111_831_500,
            ),
            Source(
                url=f"{_RELEASE}/20180402-114759-vggface2.pt",
                file="20180402-114759-vggface2.pt",
                sha256="281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
                size=111_898_327,
            ),
        ),
    ),
    PublishedModel(
        name="facenet-casia",
        title="FaceNet 20180408-102900, Inception-ResNet v1, 512-d (published LFW 0.9905)",
        licence="MIT (code and weights); trained on CASIA-WebFace, research use only",
        training=Training(
            data="CASIA-WebFace, 0.45 million photos of 10,575 people; research use only",
            method="softmax classification (D. Sandberg), converted by facenet-pytorch",
        ),
        sources=(
            Source(
                url=f"{_RELEASE}/20180408-102900-casia-webface.pt",
                file="20180408-102900-casia-webface.pt",
                sha256=None,
            ),
        ),
    ),
)


def find_by_name(name: str) -> PublishedModel | None:
    """Returns the published model of this name."""
    return next((model for model in PUBLISHED_MODELS if model.name == name), None)


def find_by_sha256(sha256: str) -> PublishedModel | None:
    """Returns the published model that has a source file with this digest."""
    return next(
        (m for m in PUBLISHED_MODELS if any(source.sha256 == sha256 for source in m.sources)), None
    )
