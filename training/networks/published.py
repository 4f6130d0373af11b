"""Loads facenet-pytorch's network, to compare ours with it."""

import importlib
import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

from torch import nn

_NAME = "facenet_pytorch"


def published_network() -> nn.Module:
    """facenet-pytorch's InceptionResnetV1 with random weights, in eval mode.

    Imports only this module of the package, since the others need torchvision. Raises ImportError
    if it is not installed (`pip install --no-deps facenet-pytorch`).
    """
    if _NAME not in sys.modules:
        spec = importlib.util.find_spec(_NAME)
        if spec is None or spec.origin is None:
            raise ImportError(
                "facenet-pytorch is not installed; run pip install --no-deps facenet-pytorch"
            )
        folder = Path(spec.origin).parent
        for name, path in ((_NAME, folder), (f"{_NAME}.models", folder / "models")):
            package = types.ModuleType(name)
            package.__path__ = [str(path)]
            package.__spec__ = ModuleSpec(name, None, is_package=True)
            sys.modules[name] = package
    module = importlib.import_module(f"{_NAME}.models.inception_resnet_v1")
    return module.InceptionResnetV1(pretrained=None, classify=False).eval()
