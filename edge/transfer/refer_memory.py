"""Remember which trunks refused REFER, for a while (sans-IO)."""

from __future__ import annotations

from edge.transfer.events import Connect
from media.config.queues import QueueConnect
from media.config.trunks import Transfer

HOUR_NS = 3_600 * 1_000_000_000


class ReferMemory:
    """Refusals by trunk.

    Args:
        expiry_ns: how long a refusal counts.
    """

    def __init__(self, expiry_ns: int = HOUR_NS) -> None:
        self._expiry_ns = expiry_ns
        self._until_ns: dict[str, int] = {}

    def refuse(self, trunk: str, now_ns: int) -> None:
        """Note that a trunk does not take REFER."""
        self._until_ns[trunk] = now_ns + self._expiry_ns

    def refused(self, trunk: str, now_ns: int) -> bool:
        """Say whether a trunk refused lately."""
        return now_ns < self._until_ns.get(trunk, 0)

    def way(self, queue: QueueConnect, trunk: Transfer, trunk_name: str, now_ns: int) -> Connect:
        """Return how a caller of this trunk is connected.

        ``auto`` of the queue leaves it to the trunk; ``auto`` of the trunk is the bridge, because
        REFER towards carriers is the exception. ``bridge`` of either is the bridge.
        """
        if "bridge" in (queue, trunk) or self.refused(trunk_name, now_ns):
            return Connect.BRIDGE
        wish = trunk if queue is QueueConnect.AUTO else queue
        return Connect.BRIDGE if wish is Transfer.AUTO else Connect(wish)
