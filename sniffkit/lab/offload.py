"""Offload: work a network card does for the kernel, switched off so that captures show what a wire would carry.

With offload on, the kernel hands over packets far larger than the MTU and leaves checksums for the card to fill in;
a capture made on that machine then shows frames that never existed on any wire. This is what ``ethtool -K`` does,
by its ioctl.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946
SET_TRANSMIT_CHECKSUM = 0x17
SET_SCATTER_GATHER = 0x19
SET_TCP_SEGMENTATION = 0x1F
SET_GENERIC_SEGMENTATION = 0x24
SET_GENERIC_RECEIVE = 0x2C
COMMANDS = (
    SET_GENERIC_RECEIVE,
    SET_GENERIC_SEGMENTATION,
    SET_TCP_SEGMENTATION,
    SET_TRANSMIT_CHECKSUM,
    SET_SCATTER_GATHER,
)


def switch_off(interface: str) -> None:
    """Switch every offload of an interface of this thread's namespace off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for command in COMMANDS:
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(handle, SIOCETHTOOL, request)
