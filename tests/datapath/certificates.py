"""Certificates made by the openssl command: an authority, what it signed, and a stranger's."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp


@dataclass(frozen=True)
class Certificates:
    """A folder with `NAME.pem` and `NAME.key` of an authority and of those it signs."""

    folder: Path

    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def pair(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key, made when first asked for."""
        cert, key, request = (self.folder / f"{name}{ending}" for ending in (".pem", ".key", ".csr"))
        if not cert.exists():
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
            signer = ("-CA", self.ca(), "-CAkey", self.folder / "ca.key", "-CAcreateserial")
            openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-out", cert)
        return cert, key

    def files(self, name: str) -> tuple[Path, Path, Path]:
        """What a context takes: certificate, key, authority."""
        return *self.pair(name), self.ca()


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@cache
def authority(name: str = "ours") -> Certificates:
    """An authority, one for the whole run."""
    made = Certificates(Path(mkdtemp(prefix=f"daoli-{name}-")))
    place = ("-keyout", made.folder / "ca.key", "-out", made.ca())
    atexit.register(shutil.rmtree, made.folder)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", *place)
    return made
