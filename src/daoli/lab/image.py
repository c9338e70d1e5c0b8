"""Container images made of this machine's own programs: no registry, no Dockerfile, and the same image id everywhere.

An image is busybox with all its applets, and programs with the shared libraries that they need. It is written as the
archive that `docker load` reads; nothing in it depends on when, where or by whom it was made. (`docker import` would
put the time into the image's configuration, and so into its id.)
"""

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daoli.lab.errors import UsageError
from daoli.lab.machine import build_environment

SEARCH_PATH = "/bin:/sbin:/usr/bin:/usr/sbin"
"""Inside an image; busybox's applets are in /bin, programs where they are on this machine."""

EPOCH = "1970-01-01T00:00:00Z"

_FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var", "www")
_FILES = {
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Docker calls them."""

_LIBRARY = re.compile(r"(?:=> |^)(/\S+) \(0x", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of."""

    name: str
    programs: tuple[str, ...]
    """Besides busybox; each with its libraries."""


TOOLS = Image("daoli/tools", ("iperf3",))
"""httpd, wget, nc, ping, traceroute and nslookup are busybox's."""

IMAGES = {
    "tools": TOOLS,
    "redis": Image("daoli/redis", ("redis-server", "redis-cli")),
    "etcd": Image("daoli/etcd", ("etcd", "etcdctl")),
}
"""What `lab up --image` knows by name; another is made with ``write_image``."""


def parse_libraries(said: str) -> list[str]:
    """The files that ldd names, in its order; the kernel's vdso is none."""
    return _LIBRARY.findall("\n".join(line.strip() for line in said.splitlines()))


def find_program(name: str) -> Path:
    """Where a program is; UsageError if it is nowhere."""
    found = shutil.which(name, path=build_environment()["PATH"])
    if found is None:
        raise UsageError(f"the program {name} is missing, an image cannot be made of it; run scripts/setup")
    return Path(found)


def _libraries(program: Path) -> list[str]:
    # A static program is no error: ldd says so and exits with 1.
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, env=build_environment())
    return parse_libraries(done.stdout)


def gather(programs: Iterable[str]) -> dict[str, Path]:
    """Path in the image -> file of this machine, for busybox, the programs, and the libraries of all of them."""
    busybox = find_program("busybox")
    found = {"bin/busybox": busybox}
    for program in [busybox, *map(find_program, programs)]:
        if program != busybox:
            found[str(program).lstrip("/")] = program
        for library in _libraries(program):
            found[library.lstrip("/")] = Path(library)
    return found


def applets() -> list[str]:
    """The names under which busybox can be called."""
    done = subprocess.run([str(find_program("busybox")), "--list"], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split() if name != "busybox"]


def _entry(name: str, kind: bytes, mode: int, *, size: int = 0, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
    return entry


def write_layer(target: Path, files: Mapping[str, Path], links: Iterable[str]) -> None:
    """Write the root file system; the same content gives the same bytes."""
    folders = {str(parent) for name in (*_FOLDERS, *files) for parent in (Path(name), *Path(name).parents)}
    folders -= {*files, "."}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as layer:
        for name in sorted(folders):
            layer.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
        for name, text in sorted(_FILES.items()):
            layer.addfile(_entry(name, tarfile.REGTYPE, 0o644, size=len(text)), io.BytesIO(text.encode()))
        for name, source in sorted(files.items()):
            with source.open("rb") as content:
                layer.addfile(_entry(name, tarfile.REGTYPE, 0o755, size=os.fstat(content.fileno()).st_size), content)
        for name in sorted({f"bin/{name}" for name in links} - set(files)):
            layer.addfile(_entry(name, tarfile.SYMTYPE, 0o777, link="/bin/busybox"))


def configuration(layer_digest: str) -> dict[str, Any]:
    """The image's configuration, whose digest is the image's id."""
    machine = platform.machine()
    return {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "config": {"Cmd": ["/bin/sh"], "Env": [f"PATH={SEARCH_PATH}"]},
        "created": EPOCH,
        "history": [{"created": EPOCH, "comment": "programs of the machine that runs the lab"}],
        "os": "linux",
        "rootfs": {"diff_ids": [f"sha256:{layer_digest}"], "type": "layers"},
    }


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_image(target: Path, image: Image) -> str:
    """Write the archive for `docker load`, and give the image's id; UsageError when a program is missing."""
    layer = target.with_name(f".{target.name}.layer")
    try:
        write_layer(layer, gather(image.programs), applets())
        return write_archive(target, image.name, layer)
    finally:
        layer.unlink(missing_ok=True)


def write_archive(target: Path, name: str, layer: Path) -> str:
    """Wrap a layer as an image; give the image's id."""
    digest = _digest(layer)
    config = json.dumps(configuration(digest), sort_keys=True).encode()
    identity = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{identity}.json", "Layers": [f"{digest}/layer.tar"], "RepoTags": [f"{name}:latest"]}]
    draft = target.with_name(f".{target.name}.draft")
    with tarfile.open(draft, "w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in ((f"{identity}.json", config), ("manifest.json", json.dumps(manifest).encode())):
            archive.addfile(_entry(path, tarfile.REGTYPE, 0o644, size=len(content)), io.BytesIO(content))
        with layer.open("rb") as root:
            size = os.fstat(root.fileno()).st_size
            archive.addfile(_entry(f"{digest}/layer.tar", tarfile.REGTYPE, 0o644, size=size), root)
    draft.replace(target)
    return f"sha256:{identity}"
