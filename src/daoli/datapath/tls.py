"""TLS contexts for the OpenFlow channel (6.3.1): both ends show a certificate of one authority.

OpenFlow names no host, so what a certificate is called is not checked: that the authority signed it is what counts.
"""

from __future__ import annotations

import ssl
from os import PathLike

from daoli.datapath.errors import TlsError

PemFile = str | PathLike[str]
"""The path of a file in PEM form."""


def server_context(cert: PemFile, key: PemFile, ca: PemFile) -> ssl.SSLContext:
    """Make the context of a listener that lets in only peers with a certificate of `ca`.

    All three are PEM files: our certificate (and what leads to its authority), its key, and the authority that peers'
    certificates must be signed by. Raises `TlsError` that names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _load(context, cert, key, ca)


def client_context(cert: PemFile, key: PemFile, ca: PemFile) -> ssl.SSLContext:
    """Make the context of a switch that connects to such a listener; the files are as in `server_context`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return _load(context, cert, key, ca)


def _load(context: ssl.SSLContext, cert: PemFile, key: PemFile, ca: PemFile) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise TlsError(f"no certificate and key in {cert} and {key}: {error}") from error
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise TlsError(f"no authority in {ca}: {error}") from error
    return context


def _no_password() -> str:
    """Refuse, where OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted")
