"""Every scenario of the lab, in the order they are taught: one line each, with what its recording needs.

What a scenario is for and what its packets show stands in explanations/texts/lab.toml under ``lab.<name>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.lab import closing
from sniffkit.lab.wire import FAR, MIDDLE, NEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from sniffkit.lab.stage import Stage

CLIENT_SIDE, SERVER_SIDE, TRUNK, MIRROR = (NEAR,), (FAR,), (MIDDLE,), (NEAR, FAR)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario and the conditions it is recorded under.

    at:     where on the wire between client and router the recording is made
    delay:  seconds a frame takes over that wire, each way
    format: pcap or pcapng
    """

    name: str
    play: Callable[[Stage], None]
    at: tuple[str, ...] = CLIENT_SIDE
    delay: float = 0.01
    ask_arp: bool = False
    ipv6: bool = False
    keep_offload: bool = False
    snap_length: int = 262_144
    format: str = "pcap"

    @property
    def file_name(self) -> str:
        """Name of its capture in captures/."""
        return f"{self.name}.{self.format}"


SCENARIOS = (
    Scenario("handshake-close-4", closing.handshake_close_4),
    Scenario("close-3-segment", closing.close_3_segment),
    Scenario("server-closes-first", closing.server_closes_first),
)


def find(name: str) -> Scenario | None:
    """Return the scenario of that name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
