"""Scenarios of the DNS world: a client and its resolver, a walk from the root, signatures, and what can go wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sniffkit.lab import dns_zones
from sniffkit.lab.dns_servers import tcp_question
from sniffkit.lab.host import FIRST_PORT
from sniffkit.lab.questions import DNS_PORT, dns_question
from sniffkit.lab.stage import receive
from sniffkit.lab.world import DNS

if TYPE_CHECKING:
    from sniffkit.lab.dns_world import DnsWorld
    from sniffkit.lab.wire import Recording

A, MX, TXT = 1, 15, 16
TRUNCATED = 0x02
"""The bit TC in the third octet of a message."""


@dataclass(slots=True)
class DnsStage:
    """What a scenario of the DNS world finds."""

    room: DnsWorld
    recording: Recording

    def pause(self, seconds: float = 0.1) -> None:
        """Wait."""
        time.sleep(seconds)

    def ask(self, identifier: int, name: str, kind: int = A) -> None:
        """Let the client ask its resolver, over TCP as well where the answer is cut short."""
        question = dns_question(identifier, name, kind)
        with self.room.client.udp(FIRST_PORT) as handle:
            handle.sendto(question, (DNS, DNS_PORT))
            answer = handle.recv(4096)
        if answer[2] & TRUNCATED:
            with self.room.client.connect(DNS, DNS_PORT) as stream:
                stream.sendall(tcp_question(question))
                receive(stream, int.from_bytes(receive(stream, 2), "big"))
                self.pause()
        self.pause()

    def walk(self, *names: str, dnssec: bool = False, timeout: float = 1.0) -> None:
        """Let the client itself walk down from the root, as ``sniffkit resolve`` does."""
        from sniffkit.sources.resolver import named_root, question_of
        from sniffkit.sources.resolver.asking import Asker
        from sniffkit.sources.resolver.signatures import read_anchors
        from sniffkit.sources.resolver.trust import Trust
        from sniffkit.sources.resolver.walk import Limits, Walk

        with self.room.client.inside():
            for each in names:
                name, kind = question_of(*(each.split(" ") if " " in each else (each, None)))
                trust = Trust(read_anchors(self.room.anchor)) if dnssec else None
                asker = Asker(timeout=timeout, dnssec=dnssec)
                for _ in Walk(name, kind, [named_root(dns_zones.ROOT)], asker, Limits(), trust).run():
                    pass
                self.pause()


def lookups(stage: DnsStage) -> None:
    """Six questions of a client: found, found again in the cache, an alias, no such name, no such type, too long."""
    stage.ask(0x1001, "www.school.test")
    stage.pause(2.1)
    stage.ask(0x1002, "www.school.test")
    stage.ask(0x1003, "library.school.test")
    stage.ask(0x1004, "nobody.school.test")
    stage.ask(0x1005, "www.school.test", MX)
    stage.ask(0x1006, "big.school.test", TXT)


def from_the_root(stage: DnsStage) -> None:
    """A client without resolver walks down itself: to an alias in another zone, and to a server without glue."""
    stage.walk("library.school.test", "www.noglue.test")


def signed(stage: DnsStage) -> None:
    """The same with signatures: a name, a name that is not there, and a zone that is not signed."""
    stage.walk("www.school.test", "nobody.school.test", "www.plain.test", dnssec=True)


def faults(stage: DnsStage) -> None:
    """What can go wrong, and still be answered or not: one name each, in the order of the list."""
    stage.walk(
        "www.half.test",
        "www.lame.test",
        "www.not-authoritative.test",
        "www.wrong-id.test",
        "www.wrong-address.test",
        "www.no-edns.test",
        "www.truncated.test",
        "www.ring-a.test",
    )
