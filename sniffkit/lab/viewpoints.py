"""Scenarios about the capture itself: what a place, a late start, a card or a clock does to what one sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.lab.closing import exchange
from sniffkit.lab.delivery import text
from sniffkit.lab.stage import REQUEST, RESPONSE, receive

if TYPE_CHECKING:
    from sniffkit.lab.stage import Stage

UPLOAD = 20_000
CLOCK_STEP_NS = 100_000_000
STEP_AT_PACKET = 6


def offload(stage: Stage) -> None:
    """The client's interface keeps its offload: frames over the MTU, outgoing checksums not yet filled in."""
    client, server = stage.connection()
    client.sendall(text(UPLOAD))
    receive(server, UPLOAD)
    stage.pause()
    # The server closes first: an ACK out of TIME-WAIT is the one segment Linux always gives a whole checksum.
    stage.close(server, client)


def midstream(stage: Stage) -> None:
    """The capture begins after the handshake: no SYN, no options, window scale unknown."""
    stage.recording.running = False
    client, server = stage.connection()
    stage.recording.running = True
    for _ in range(2):
        client.sendall(REQUEST)
        receive(server, len(REQUEST))
        server.sendall(RESPONSE)
        receive(client, len(RESPONSE))
        stage.pause()
    stage.close(client, server)


def one_direction(stage: Stage) -> None:
    """Only what the client sends is captured, as on a link whose way back is another one."""
    stage.recording.keep = lambda frame: frame.source in stage.client.addresses
    client, server = exchange(stage)
    stage.close(client, server)


def captured_twice(stage: Stage) -> None:
    """A mirror port copies what enters the switch and what leaves it: each packet stands there twice."""
    client, server = exchange(stage)
    stage.close(client, server)


def clock_set_back(stage: Stage) -> None:
    """The capturing machine's clock is set back by a tenth of a second in the middle (done by the lab's recorder)."""
    stage.recording.shift = lambda number, time_ns: time_ns - (CLOCK_STEP_NS if number >= STEP_AT_PACKET else 0)
    client, server = exchange(stage)
    stage.close(client, server)


def snap_length(stage: Stage) -> None:
    """Only the first 68 octets of each packet were kept: headers are there, the content is cut."""
    client, server = exchange(stage)
    stage.close(client, server)
