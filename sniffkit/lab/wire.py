"""The wire: a program between two network interfaces that passes frames on, and can lose, repeat or delay any of them.

The two ends sit in a namespace of their own and are read and written with packet sockets (packet(7)), so that no
kernel module is needed and a fault falls on exactly the segment a scenario names: "drop the first SYN,ACK".

    host ══ veth ══ near │ relay, rules, recordings │ far ══ veth ══ host
"""

from __future__ import annotations

import heapq
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sniffkit.lab import frame as frames
from sniffkit.lab.frame import Frame

if TYPE_CHECKING:
    from sniffkit.lab.host import Host
    from sniffkit.sources.writer import Writer

NEAR, FAR, MIDDLE = "near", "far", "middle"
SOL_PACKET = 263
PACKET_VNET_HDR = 15
VNET_HEADER = 10
"""Octets before each frame that tell of unfinished work (segmentation, checksum) when a host keeps offload on."""
LARGEST_FRAME = VNET_HEADER + 18 + 65_536
DROP = -1.0
HOLD = -2.0


@dataclass(slots=True)
class Rule:
    """What to do with frames of one kind: ``nth`` of them (from 1), or all where ``nth`` is 0."""

    kind: str
    sender: Host | None
    nth: int
    delay: float = 0.0
    copies: int = 1
    copy_after: float = 0.0
    vlan: int = 0
    seen: int = 0

    def fits(self, frame: Frame) -> bool:
        """Count the frame if it is of the kind; tell whether the rule acts on it."""
        if self.kind not in ("any", frame.kind):
            return False
        if self.sender is not None and frame.source not in self.sender.addresses:
            return False
        self.seen += 1
        return self.nth in (0, self.seen)


@dataclass(slots=True)
class Recording:
    """A capture being made at one place of the wire, or (``at`` with several places) at a mirror port.

    ``keep`` decides which frames are written; ``shift`` moves a packet's time stamp: it gets the packet's number,
    from 1, and the time in nanoseconds and returns the time to write.
    """

    writer: Writer
    at: tuple[str, ...]
    keep: Callable[[Frame], bool] | None = None
    shift: Callable[[int, int], int] | None = None
    running: bool = True

    def saw(self, place: str, frame: Frame) -> None:
        """Write the frame if it passes where this recording looks."""
        if not self.running or place not in self.at or (self.keep is not None and not self.keep(frame)):
            return
        now = time.time_ns()
        if self.shift is not None:
            now = self.shift(self.writer.written + 1, now)
        self.writer.write(frame.octets, now)
        self.writer.flush()  # whoever reads the capture while it is made sees each packet at once


@dataclass(order=True, slots=True)
class Underway:
    """A frame inside the wire, due at the other end at ``due`` (time.monotonic)."""

    due: float
    order: int
    toward: str = field(compare=False)
    vnet: bytes = field(compare=False)
    frame: Frame = field(compare=False)


class Wire:
    """A wire between the two interfaces named in ``ends``, which exist in the namespace of ``host``."""

    def __init__(self, host: Host, ends: tuple[str, str], delay: float) -> None:
        self.host = host
        self.delay = delay
        self.sockets = {NEAR: self._open(ends[0]), FAR: self._open(ends[1])}
        self.rules: list[Rule] = []
        self.recordings: list[Recording] = []
        self.failure: BaseException | None = None
        self._underway: list[Underway] = []
        self._held: list[Underway] = []
        self._order = 0
        self._last_frame = time.monotonic()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._thread = threading.Thread(target=self._relay, name="wire", daemon=True)
        self._thread.start()

    # what a scenario asks for

    def drop(self, kind: str, *, sender: Host | None = None, nth: int = 1) -> Rule:
        """Lose the ``nth`` frame of a kind (0: every one)."""
        return self._add(Rule(kind, sender, nth, delay=DROP))

    def delay_frame(self, seconds: float, kind: str, *, sender: Host | None = None, nth: int = 1) -> Rule:
        """Let the ``nth`` frame of a kind travel this much longer, so that later ones overtake it."""
        return self._add(Rule(kind, sender, nth, delay=seconds))

    def repeat(self, kind: str, *, sender: Host | None = None, nth: int = 1, after: float = 0.0) -> Rule:
        """Deliver the ``nth`` frame of a kind twice, the second time ``after`` seconds later."""
        return self._add(Rule(kind, sender, nth, copies=2, copy_after=after))

    def hold(self, kind: str, *, sender: Host | None = None, nth: int = 1) -> Rule:
        """Keep the ``nth`` frame of a kind until ``release``."""
        return self._add(Rule(kind, sender, nth, delay=HOLD))

    def release(self) -> None:
        """Let the held frames go; they arrive at once."""
        with self._lock:
            for underway in self._held:
                underway.due = time.monotonic()
                heapq.heappush(self._underway, underway)
            self._held.clear()
        os.write(self._wake_write, b".")

    def tag(self, vlan: int) -> Rule:
        """Be a trunk between two switches: tagged in the middle, untagged at both ends."""
        return self._add(Rule("any", None, 0, vlan=vlan))

    def clear(self) -> None:
        """Forget all rules; from now on everything passes."""
        self.rules = []

    def record(self, recording: Recording) -> Recording:
        """Write what passes into a capture from now on."""
        self.recordings = [*self.recordings, recording]
        return recording

    def settle(self, quiet: float = 0.1, limit: float = 10.0) -> None:
        """Wait until nothing is under way and no frame has come for ``quiet`` seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.failure is not None:
                raise self.failure
            if not self._underway and time.monotonic() - self._last_frame > quiet:
                return
            time.sleep(quiet / 10)

    def close(self) -> None:
        """Stop the relay."""
        self._stopping = True
        os.write(self._wake_write, b".")
        self._thread.join(2)
        for handle in self.sockets.values():
            handle.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # the relay

    def _add(self, rule: Rule) -> Rule:
        if rule.kind not in frames.KINDS:
            raise ValueError(f"no such kind of frame: {rule.kind}")
        self.rules = [*self.rules, rule]
        return rule

    def _open(self, interface: str) -> socket.socket:
        with self.host.inside():
            handle = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        handle.setsockopt(SOL_PACKET, PACKET_VNET_HDR, struct.pack("i", 1))
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        handle.bind((interface, 0))
        return handle

    def _relay(self) -> None:
        try:
            while not self._stopping:
                self._deliver()
                with self._lock:
                    wait = self._underway[0].due - time.monotonic() if self._underway else None
                waiting: list[int | socket.socket] = [self._wake_read, *self.sockets.values()]
                ready, _, _ = select.select(waiting, [], [], None if wait is None else max(wait, 0))
                if self._wake_read in ready:
                    os.read(self._wake_read, 64)
                for place, handle in self.sockets.items():
                    if handle in ready:
                        self._take(place, handle)
        except BaseException as error:  # the scenario's thread raises it again
            self.failure = error

    def _take(self, place: str, handle: socket.socket) -> None:
        octets, origin = handle.recvfrom(LARGEST_FRAME)
        if origin[2] == socket.PACKET_OUTGOING:
            return
        vnet, frame = octets[:VNET_HEADER], frames.read(octets[VNET_HEADER:])
        self._last_frame = time.monotonic()
        self._record(place, frame)
        chosen = [rule for rule in self.rules if rule.fits(frame)]
        if any(rule.delay == DROP for rule in chosen):
            return
        due = time.monotonic() + self.delay + sum(rule.delay for rule in chosen if rule.delay > 0)
        toward = FAR if place == NEAR else NEAR
        vlan = max((rule.vlan for rule in chosen), default=0)
        passing = Frame(frames.tag(frame.octets, vlan), frame.kind, frame.source) if vlan else frame
        self._record(MIDDLE, passing)
        with self._lock:
            self._order += 1
            underway = Underway(due, self._order, toward, vnet, frame)
            if any(rule.delay == HOLD for rule in chosen):
                self._held.append(underway)
                return
            heapq.heappush(self._underway, underway)
            for rule in chosen:
                for copy in range(1, rule.copies):
                    again = Underway(due + rule.copy_after, self._order + copy, toward, vnet, frame)
                    heapq.heappush(self._underway, again)
            self._order += sum(rule.copies - 1 for rule in chosen)

    def _deliver(self) -> None:
        while True:
            with self._lock:
                if not self._underway or self._underway[0].due > time.monotonic():
                    return
                underway = heapq.heappop(self._underway)
            self._record(underway.toward, underway.frame)  # before it is sent, so that no answer is written earlier
            self.sockets[underway.toward].send(underway.vnet + underway.frame.octets)
            self._last_frame = time.monotonic()

    def _record(self, place: str, frame: Frame) -> None:
        for recording in self.recordings:
            recording.saw(place, frame)
