"""Portrait photos for tests and benchmarks."""

import subprocess
import sys
import tarfile
from pathlib import Path


def find_portraits() -> dict[str, bytes]:
    """Returns the photos obama, obama2, obama3, biden from the tests of face_recognition, by name.

    The first call downloads the source distribution with pip and stores it in the virtual
    environment.
    """
    kept = Path(sys.prefix) / "test-photos"
    archive = kept / "face_recognition-1.3.0.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--dest", str(kept), "face_recognition==1.3.0"]
        subprocess.run(command, check=True, timeout=300)
    with tarfile.open(archive) as tar:
        return {
            Path(member.name).stem: stream.read()
            for member in tar
            if "test_images" in member.name and (stream := tar.extractfile(member)) is not None
        }
