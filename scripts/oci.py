"""Lays a wasm module out as an OCI image: the "compat" variant of the Wasm Image Specification, one layer of
application/vnd.oci.image.layer.v1.tar+gzip with plugin.wasm in it, which Istio and Envoy Gateway try first and which
Docker and Kubernetes take for an ordinary image. Prints the digest of its manifest, without the algorithm.

usage: oci.py MODULE VERSION FOLDER      (SOURCE_DATE_EPOCH says of what time all of it is)
"""

import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import struct
import sys
import tarfile
import zlib

LAYOUT = "1.0.0"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# RFC 1951 section 3.2.4: LEN is 16 bits.
MOST_STORED = 0xFFFF


def stored_gzip(data: bytes) -> bytes:
    """A gzip file (RFC 1952) of stored blocks. What a compressor makes of the same bytes changes from one version of it
    to the next, and with it every digest above."""
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    blocks = []
    for start in range(0, len(data), MOST_STORED):
        block = data[start : start + MOST_STORED]
        last = start + MOST_STORED >= len(data)
        blocks.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    trailer = struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    return header + b"".join(blocks) + trailer


def layer(module: bytes, time: int) -> bytes:
    """A tar file with the module in it, that everybody may read and nobody owns."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("plugin.wasm")
        entry.size, entry.mtime, entry.mode = len(module), time, 0o644
        tar.addfile(entry, io.BytesIO(module))
    return file.getvalue()


def main() -> None:
    module = pathlib.Path(sys.argv[1]).read_bytes()
    version, folder = sys.argv[2], pathlib.Path(sys.argv[3])
    time = int(os.environ["SOURCE_DATE_EPOCH"])
    created = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    (folder / "blobs/sha256").mkdir(parents=True)

    def blob(content: bytes, media_type: str, **more: object) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (folder / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    def text(document: object) -> bytes:
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    annotations = {
        "org.opencontainers.image.title": "tenantgate",
        "org.opencontainers.image.description": "An Envoy filter: who may call which model-serving endpoint",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": created,
    }
    archive = layer(module, time)
    packed = stored_gzip(archive)
    assert gzip.decompress(packed) == archive
    # What `FROM scratch` says on most machines. Docker refuses what is not its own system; the others do not look.
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Labels": annotations},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}"]},
        "history": [{"created": created, "created_by": "COPY plugin.wasm /"}],
    }
    config_blob, layer_blob = blob(text(config), CONFIG), blob(packed, LAYER)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config_blob,
        "layers": [layer_blob],
        "annotations": annotations,
    }
    named = {"org.opencontainers.image.ref.name": version}
    manifest_blob = blob(text(manifest), MANIFEST, annotations=named)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest_blob]}
    (folder / "index.json").write_bytes(text(index))
    (folder / "oci-layout").write_bytes(text({"imageLayoutVersion": LAYOUT}))
    # For `docker load`, which before version 25 knows no index.
    path = lambda blob: "blobs/sha256/" + blob["digest"].removeprefix("sha256:")
    loaded = {"Config": path(config_blob), "RepoTags": [f"tenantgate:{version}"], "Layers": [path(layer_blob)]}
    (folder / "manifest.json").write_bytes(text([loaded]))
    print(manifest_blob["digest"].removeprefix("sha256:"))


main()
