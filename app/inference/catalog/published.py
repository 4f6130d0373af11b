"""The published FaceNet models that `sima models pull` knows, for whoever may use them."""

from dataclasses import dataclass

from app.inference.catalog.download import Source
from app.inference.manifest import BoxMargin, InputSpec, Training

GRAPH = "inception_resnet_v1.onnx"
"""Its file in `models/graphs`: the network at width 1, an input for every weight."""

INPUT = InputSpec(size=160, channels="RGB", mean=(127.5,) * 3, std=(128.0,) * 3)
# facenet-pytorch 2.6 measures LFW with 14 of the 160 pixels as margin, each side stretched.
ALIGNMENT = BoxMargin(kind="box-margin", margin=14 / (160 - 14), stretch=True)
DIMENSION = 512

_REVISION = "8dd79278b755ee24ee9922619122df8a2b80b787"
_HUB = f"https://huggingface.co/py-feat/facenet/resolve/{_REVISION}"
_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"


@dataclass(frozen=True, slots=True)
class Original:
    """A published set of weights. The first source that answers is the one that is taken."""

    name: str
    title: str
    licence: str
    training: Training
    sources: tuple[Source, ...]


ORIGINALS = (
    Original(
        name="facenet-vggface2",
        title="FaceNet 20180402-114759, Inception-ResNet v1, 512-d (published LFW 0.9965)",
        licence="MIT (code and weights); learned from VGGFace2, research use only",
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
    Original(
        name="facenet-casia",
        title="FaceNet 20180408-102900, Inception-ResNet v1, 512-d (published LFW 0.9905)",
        licence="MIT (code and weights); learned from CASIA-WebFace, research use only",
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


def original_of(name: str) -> Original | None:
    """By its name."""
    return next((known for known in ORIGINALS if known.name == name), None)


def original_with(sha256: str) -> Original | None:
    """The one that a file with this digest belongs to."""
    return next(
        (known for known in ORIGINALS if any(s.sha256 == sha256 for s in known.sources)), None
    )
