"""Writes the bill of materials of the service: `python -m harness.sbom build/sima.cdx.json`.

The file (CycloneDX 1.6, JSON) lists the packages of the container image with versions, hashes,
licences and what depends on them, and the model files. Packages that only the image has, for
PostgreSQL and Milvus, are optional.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from app import __version__
from app.inference.catalog.download import file_sha256
from app.settings import PROJECT
from harness.licences import MODEL_FILES, listed_licences
from harness.lock_files import IMAGE, SERVICE, LockedPackage, read_lock


def build_sbom() -> Bom:
    """Returns the bill of materials. Raises KeyError for a package or file without a licence."""
    bom = Bom()
    root = _component("sima", __version__, ComponentType.APPLICATION, "Apache-2.0")
    bom.metadata.component = root
    packages = {one.name: one for group in (SERVICE, IMAGE) for one in _locked(group.files)}
    required = {package.name for package in _locked(SERVICE.files)}
    components = {
        name: _library(package, ComponentScope.REQUIRED if name in required else None)
        for name, package in packages.items()
    }
    models = [_model(path, licence) for path, licence in listed_licences(MODEL_FILES).items()]
    bom.components.update([*components.values(), *models])
    depends: dict[str, list[Component]] = {"sima": list(models)}
    for name, package in packages.items():
        for user in package.via:
            depends.setdefault(user, []).append(components[name])
    for name, used in depends.items():
        bom.register_dependency(root if name == "sima" else components[name], used)
    return bom


def main() -> None:
    """Write the file that the only argument names."""
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    text = JsonV1Dot6(build_sbom()).output_as_string(indent=2)
    target.write_text(text, encoding="utf-8")


def _locked(files: Iterable[Path]) -> list[LockedPackage]:
    return [package for file in files for package in read_lock(file)]


def _library(package: LockedPackage, scope: ComponentScope | None) -> Component:
    licences = listed_licences(SERVICE.title) | listed_licences(IMAGE.title)
    made = _component(
        package.name, package.version, ComponentType("library"), licences[package.name]
    )
    made.scope = scope or ComponentScope.OPTIONAL
    url = XsUri(str(made.purl))
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.sha256]
    made.external_references.add(
        ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=url, hashes=hashes)
    )
    if package.marker:
        made.properties.add(Property(name="sima:platforms", value=package.marker))
    return made


def _model(path: str, licence: str) -> Component:
    return Component(
        name=path,
        bom_ref=path,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        licenses=[LicenseExpression(licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file_sha256(PROJECT / path))],
    )


def _component(name: str, version: str, kind: ComponentType, licence: str) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=[LicenseExpression(licence)],
    )


if __name__ == "__main__":
    main()
