"""A host: one network namespace with its own interfaces, addresses and the kernel's real TCP.

A socket opened inside a namespace belongs to it for ever, so one program plays all the hosts: what a scenario does
reads from top to bottom, like the ladder it makes.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

from sniffkit.errors import NotPermitted
from sniffkit.lab import namespaces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

TIMEOUT = 20.0
RECEIVE_ERRORS = 11
"""IP_RECVERR of ip(7), which socket has no name for."""
"""Seconds after which a socket call of a scenario gives up, so that a fault ends in an error and not in a wait."""
ICMP_ECHO_REQUEST = 8
ICMPV6_ECHO_REQUEST = 128
FIRST_PORT = 50000
"""The client's port unless a scenario says otherwise: the same in each recording, and easy to tell."""


class Host:
    """One computer of the lab."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.namespace = namespaces.create()
        self.addresses: list[str] = []
        self.ip("link set lo up")

    def inside(self) -> AbstractContextManager[None]:
        """Run the body of a ``with`` on this host (this thread only)."""
        return namespaces.inside(self.namespace)

    @property
    def path(self) -> str:
        """Where other programs find this host's namespace (``nsenter --net=``, ``ip link set ... netns``)."""
        return f"/proc/{os.getpid()}/fd/{self.namespace}"

    def ip(self, *commands: str) -> None:
        """Run ``ip`` commands on this host; one word after the other as on a command line."""
        with self.inside():
            try:
                done = subprocess.run(
                    ["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False
                )
            except FileNotFoundError as error:
                raise NotPermitted("lab.program-missing", program="ip", package="iproute2") from error
        if done.returncode:
            raise NotPermitted("lab.ip-failed", command="; ".join(commands), reason=done.stderr.strip())

    def setting(self, name: str, value: int | str, *, required: bool = True) -> None:
        """Write a kernel setting of this host, named as sysctl has it: ``net.ipv4.tcp_fastopen``.

        One that this kernel doesn't have is passed over unless it is ``required``.
        """
        path = "/proc/sys/" + name.replace(".", "/")
        with self.inside():
            if required or os.path.exists(path):
                namespaces.write(path, str(value))

    def start(self, command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a program on this host; the caller ends it."""
        with self.inside():
            return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]

    def open_socket(
        self, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET, protocol: int = 0
    ) -> socket.socket:
        """Open a socket on this host."""
        with self.inside():
            made = socket.socket(family, kind, protocol)
        made.settimeout(TIMEOUT)
        return made

    def listen(self, port: int, *, family: int = socket.AF_INET, receive_buffer: int = 0) -> socket.socket:
        """Open a listening TCP socket on all addresses.

        receive_buffer: octets its connections have for what their program hasn't read; 0 for the system's choice
        """
        listener = self.open_socket(family=family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind(("", port))
        listener.listen(8)
        return listener

    def bound(self, port: int = FIRST_PORT, *, family: int = socket.AF_INET) -> socket.socket:
        """Open a TCP socket that will connect from this port."""
        made = self.open_socket(family=family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", port))
        return made

    def connect(self, address: str, port: int, *, from_port: int = FIRST_PORT) -> socket.socket:
        """Connect from ``from_port``; return when the handshake is through."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.bound(from_port, family=family)
        try:
            made.connect((address, port))
        except OSError:
            made.close()
            raise
        return made

    def begin_connect(self, address: str, port: int, *, from_port: int = FIRST_PORT) -> socket.socket:
        """Send the SYN and return at once, without waiting for an answer."""
        made = self.bound(from_port)
        made.setblocking(False)
        made.connect_ex((address, port))
        return made

    def udp(self, port: int) -> socket.socket:
        """Open a UDP socket on this port."""
        made = self.open_socket(socket.SOCK_DGRAM)
        made.bind(("", port))
        return made

    def ping(self, address: str, *, identifier: int = 1, sequence: int = 1, content: bytes = b"") -> bytes:
        """Send one ICMP echo request and return the answer's ICMP message.

        Raises OSError as soon as the kernel knows that nobody has the address, or after TIMEOUT.
        """
        self.setting("net.ipv4.ping_group_range", "0 0")
        six = ":" in address
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
        with self.open_socket(socket.SOCK_DGRAM, family, protocol) as handle:
            if not six:
                handle.setsockopt(socket.IPPROTO_IP, RECEIVE_ERRORS, 1)
            handle.bind(("", identifier))  # the kernel writes this number as the identifier
            kind = ICMPV6_ECHO_REQUEST if six else ICMP_ECHO_REQUEST
            handle.sendto(struct.pack("!BBHHH", kind, 0, 0, 0, sequence) + content, (address, 0))
            return handle.recv(2048)

    def close(self) -> None:
        """Let the namespace go; the kernel takes it down with everything in it."""
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1
