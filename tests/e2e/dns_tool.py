"""A DNS server that answers everything, and a client that tells what it heard: programs for a lab's places."""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
from collections import Counter
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset


def tell(*words: str) -> None:
    """Write a line that is read at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def reply(data: bytes, address: str, via: str, peer: str) -> bytes:
    """Answer a query with one address, and tell of it in one line."""
    query = dns.message.from_wire(data)
    question = query.question[0]
    tell(via, peer, question.name.to_text())
    response = dns.message.make_response(query)
    if question.rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", address))
    return response.to_wire()


class Udp(asyncio.DatagramProtocol):
    """The server's UDP half."""

    def __init__(self, address: str) -> None:
        self._address = address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go by."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a datagram."""
        self._transport.sendto(reply(data, self._address, "udp", addr[0]), addr)


async def serve(address: str) -> None:
    """Answer every name with this address, for ever."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.read(2):
                data = await reader.readexactly(struct.unpack("!H", head)[0])
                answer = reply(data, address, "tcp", writer.get_extra_info("peername")[0])
                writer.write(struct.pack("!H", len(answer)) + answer)
        finally:
            writer.close()

    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Udp(address), local_addr=("0.0.0.0", 53))
    server = await asyncio.start_server(client, "0.0.0.0", 53)
    tell("serving")
    await server.serve_forever()


def ask(resolver: str, name: str, kind: str, *, tcp: bool, timeout: float) -> dict[str, Any]:
    """Ask once; `error` names what went wrong."""
    query = dns.message.make_query(name, kind)
    query.use_edns(0, payload=1232)
    send = dns.query.tcp if tcp else dns.query.udp
    try:
        response = send(query, resolver, timeout=timeout)
    except (OSError, EOFError, dns.exception.DNSException) as error:
        return {"error": type(error).__name__}
    return {
        "rcode": dns.rcode.to_text(response.rcode()),
        "answers": [item.to_text() for found in response.answer for item in found],
        "ttl": min((found.ttl for found in response.answer), default=None),
        "authoritative": bool(response.flags & dns.flags.AA),
    }


def main() -> None:
    """Serve or ask."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="verb", required=True)
    server = kinds.add_parser("serve")
    server.add_argument("answer")
    client = kinds.add_parser("ask")
    client.add_argument("resolver")
    client.add_argument("name")
    client.add_argument("--kind", default="A")
    client.add_argument("--tcp", action="store_true")
    client.add_argument("--timeout", type=float, default=3.0)
    client.add_argument("--count", type=int, default=0, help="ask so often, and tell how often each answer came")
    given = parser.parse_args()
    if given.verb == "serve":
        asyncio.run(serve(given.answer))
        return

    def once() -> dict[str, Any]:
        return ask(given.resolver, given.name, given.kind, tcp=given.tcp, timeout=given.timeout)

    if not given.count:
        json.dump(once(), sys.stdout)
        return
    found = Counter(said.get("error") or " ".join(said["answers"]) for said in (once() for _ in range(given.count)))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
