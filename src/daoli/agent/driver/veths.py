"""The cables between containers and bridge, with the MTU that the uplink has now."""

from __future__ import annotations

from collections.abc import Callable

from daoli.agent import links


class Veths:
    """Makes and deletes veth pairs."""

    def __init__(self, mtu: Callable[[], int]) -> None:
        self._mtu = mtu

    async def add(self, port: str, inner: str, mac: str) -> None:
        """Make a pair, ready for a container; LinkError if it cannot be made."""
        await links.add_veth(port, inner, mac, self._mtu())

    @staticmethod
    async def delete(port: str) -> None:
        """Delete a pair; one that is gone is fine."""
        await links.delete(port)
