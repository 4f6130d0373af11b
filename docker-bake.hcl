// Builds the image: `docker buildx bake` for this machine, `docker buildx bake release --push` for
// all architectures, with a bill of materials and provenance attached.
variable "IMAGE" {
  default = "sima"
}

variable "VERSION" {
  default = "dev"
}

// Pin it for releases: `PYTHON=python:3.11-slim-bookworm@sha256:… docker buildx bake release`.
variable "PYTHON" {
  default = "python:3.11-slim-bookworm"
}

group "default" {
  targets = ["local"]
}

target "image" {
  context    = "."
  dockerfile = "Dockerfile"
  args       = { PYTHON = PYTHON }
  tags       = ["${IMAGE}:${VERSION}"]
  labels = {
    "org.opencontainers.image.title"    = "Sima"
    "org.opencontainers.image.licenses" = "Apache-2.0"
    "org.opencontainers.image.version"  = VERSION
  }
}

target "local" {
  inherits = ["image"]
  output   = ["type=docker"]
}

target "release" {
  inherits  = ["image"]
  platforms = ["linux/amd64", "linux/arm64"]
  attest    = ["type=sbom", "type=provenance,mode=max"]
}
