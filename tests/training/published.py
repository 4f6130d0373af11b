"""The network that others published, to compare ours with."""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest


def published_network() -> Any:
    """facenet-pytorch's network, without the rest of its package (it would need torchvision)."""
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        pytest.skip("install facenet-pytorch with --no-deps to compare with the published network")
    folder = Path(spec.origin).parent
    for name, path in (("facenet_pytorch", folder), ("facenet_pytorch.models", folder / "models")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    module = importlib.import_module("facenet_pytorch.models.inception_resnet_v1")
    return module.InceptionResnetV1(pretrained=None, classify=False)
