#!/usr/bin/env python3
"""Makes data/mnist/ from the four original MNIST files: the first 10,000 training and the first 2,000 test images.

usage: make-mnist-subset.py FOLDER-WITH-THE-ORIGINALS FOLDER-TO-WRITE
The originals are checked by the SHA-256 of their uncompressed content; the same bytes come out with every zlib of the 1.2 and 1.3 series.
"""
import gzip
import hashlib
import io
import pathlib
import struct
import sys

FILES = [
    # name, SHA-256 of the uncompressed original, images or labels to keep, number of dimensions, bytes per item
    ("train-images-idx3-ubyte.gz", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 10_000, 3, 28 * 28),
    ("train-labels-idx1-ubyte.gz", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 10_000, 1, 1),
    ("t10k-images-idx3-ubyte.gz", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 2_000, 3, 28 * 28),
    ("t10k-labels-idx1-ubyte.gz", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 2_000, 1, 1),
]


def main(source: pathlib.Path, target: pathlib.Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, expected, keep, dimensions, size in FILES:
        original = gzip.decompress((source / name).read_bytes())
        if hashlib.sha256(original).hexdigest() != expected:
            sys.exit(f"{name} is not the original MNIST file")
        header = 4 + 4 * dimensions
        subset = original[:4] + struct.pack(">I", keep) + original[8:header] + original[header : header + keep * size]
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as stream:
            stream.write(subset)
        (target / name).write_bytes(packed.getvalue())
        print(hashlib.sha256(packed.getvalue()).hexdigest(), name)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
