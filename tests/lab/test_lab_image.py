"""Images: the same bytes for the same programs, whoever makes them and when."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from daoli.lab import UsageError
from daoli.lab.image import (
    IMAGES,
    Image,
    find_program,
    gather,
    parse_libraries,
    write_archive,
    write_image,
    write_layer,
)

LDD = """\tlinux-vdso.so.1 (0x00007ffd0e5f2000)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1c0a000000)
\tlibgone.so.2 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f1c0a400000)
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two files of one content, and where they shall be."""
    (tmp_path / "one").write_text("program")
    return {"usr/bin/one": tmp_path / "one", "bin/busybox": tmp_path / "one"}


def test_libraries() -> None:
    """The loader and the libraries are read from what ldd says; the vdso and missing ones are none."""
    assert parse_libraries(LDD) == ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"]
    assert parse_libraries("\tnot a dynamic executable\n") == []


def test_same_bytes(tmp_path: Path, files: dict[str, Path]) -> None:
    """A layer does not depend on the order of its parts, nor on their owners, times and modes."""
    write_layer(tmp_path / "a.tar", files, ["sh", "ls"])
    os.utime(tmp_path / "one", (1, 1))
    (tmp_path / "one").chmod(0o600)
    write_layer(tmp_path / "b.tar", dict(reversed(files.items())), ["ls", "sh"])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_layer(tmp_path: Path, files: dict[str, Path]) -> None:
    """Programs can be run, applets are links to busybox, folders come before what is in them."""
    write_layer(tmp_path / "a.tar", files, ["sh", "busybox"])
    with tarfile.open(tmp_path / "a.tar") as layer:
        entries = {entry.name: entry for entry in layer}
    assert entries["usr/bin/one"].mode == 0o755
    assert entries["bin/sh"].linkname == "/bin/busybox"
    assert entries["bin/busybox"].isreg()
    assert entries["tmp"].mode == 0o1777
    names = list(entries)
    assert names.index("usr") < names.index("usr/bin") < names.index("usr/bin/one")
    assert not {entry.uid + entry.gid + entry.mtime for entry in entries.values()} - {0}


def test_archive(tmp_path: Path, files: dict[str, Path]) -> None:
    """The archive holds what `docker load` looks for, and the image's id is the digest of its configuration."""
    write_layer(tmp_path / "layer", files, [])
    identity = write_archive(tmp_path / "image.tar", "daoli/test", tmp_path / "layer")
    with tarfile.open(tmp_path / "image.tar") as archive:
        content = {entry.name: archive.extractfile(entry) for entry in archive}
        read = {name: file.read() for name, file in content.items() if file}
    [manifest] = json.loads(read["manifest.json"])
    assert manifest["RepoTags"] == ["daoli/test:latest"]
    config = read[manifest["Config"]]
    assert identity == f"sha256:{hashlib.sha256(config).hexdigest()}"
    [layer] = manifest["Layers"]
    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(read[layer]).hexdigest()}"]


def test_missing_program() -> None:
    """A program that this machine does not have is refused by its name."""
    with pytest.raises(UsageError, match="the program no-such-program is missing"):
        find_program("no-such-program")


@pytest.mark.e2e
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_own_images(tmp_path: Path, image: Image) -> None:
    """The images that the lab knows by name can be made, twice alike, and hold their programs with a loader."""
    assert write_image(tmp_path / "a.tar", image) == write_image(tmp_path / "b.tar", image)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar"]
    inside = gather(image.programs)
    assert {Path(name).name for name in inside} >= {"busybox", *image.programs}
    assert any(Path(name).name.startswith("ld-linux") for name in inside)
