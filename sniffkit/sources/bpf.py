"""A capture filter (``tcp port 80``) compiled by libpcap into the small program the kernel runs on every packet.

pcap-filter(7) is the language; the program is classic BPF, linux/filter.h.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from sniffkit.errors import NotPermitted, UsageError
from sniffkit.sources.filter_messages import meaning
from sniffkit.sources.ring_packets import COOKED_1, COOKED_2

Instruction = tuple[int, int, int, int]
"""Operation, where to go if true, where to go if false, operand."""

Instructions = Sequence[Instruction]

RETURN = 0x06
CLASS, MODE = 0x07, 0xE0
LOAD_CLASSES = (0x00, 0x01)
ABSOLUTE, INDIRECT, HEADER_LENGTH = 0x20, 0x40, 0xA0

AUXILIARY = 0xFFFFF000
"""SKF_AD_OFF: loads from here on ask the kernel about the packet and not the packet itself."""

AUXILIARY_OF = {
    COOKED_1: {0: AUXILIARY + 4, 14: AUXILIARY + 0},
    COOKED_2: {0: AUXILIARY + 0, 4: AUXILIARY + 8, 10: AUXILIARY + 4},
}
"""Fields of a cooked header that the kernel knows by itself: kind of packet, protocol, number of the interface."""

HEADER_OF = {COOKED_1: 16, COOKED_2: 20}

PACKAGES = (
    ("apt-get", "sudo apt install libpcap0.8"),
    ("dnf", "sudo dnf install libpcap"),
    ("pacman", "sudo pacman -S libpcap"),
    ("apk", "sudo apk add libpcap"),
    ("zypper", "sudo zypper install libpcap1"),
)

ENDINGS = (
    "",
    " tcp",
    " 1",
    " 1.1.1.1",
    " port 1",
    " host 1.1.1.1",
    " = 0",
    " 1 = 0",
    "] = 0",
    " 1] = 0",
    " 1)",
    " 1) = 0",
)
"""What can make a whole filter of a beginning, once open parentheses are closed behind it; used to find the word at
which a filter stops making sense."""


def compile_filter(text: str, link_type: int) -> Instructions:
    """Return the program for packets of this link type; raises UsageError ``live.filter`` with libpcap's message.

    For messages that are met often the id is one of its own, ``live.filter-syntax`` and so on (filter_messages.py).

    Raises NotPermitted ``live.no-libpcap`` where the library is missing.
    """
    try:
        return _compiled(text, link_type)
    except ImportError as error:
        raise NotPermitted("live.no-libpcap", command=install_command()) from error
    except ValueError as error:
        reason = str(error)
        place = find_culprit(text, link_type, reason)
        id, values = meaning(text, reason)
        if place < 0:
            raise UsageError(id, reason=reason, **values) from error
        raise UsageError(id, reason=reason, value=text, place=place, **values) from error


def compile_for_interface(text: str, interface: str, link_type: int) -> Instructions | None:
    """Return the program for a filter that speaks of VLAN tags: it asks the kernel for the ones that were taken out.

    libpcap writes such a program only for an interface that it has opened; that is done here for a moment. None where
    it can't be done: the program of ``compile_filter`` sees no tags.
    """
    from ctypes import byref, create_string_buffer

    try:
        from scapy.libs import winpcapy as libpcap
        from scapy.libs.structures import bpf_program

        handle = libpcap.pcap_create(interface.encode(), create_string_buffer(libpcap.PCAP_ERRBUF_SIZE))
    except (ImportError, OSError, AttributeError):
        return None
    if not handle:
        return None
    program = bpf_program()
    try:
        if libpcap.pcap_activate(handle) < 0:
            return None
        libpcap.pcap_set_datalink(handle, link_type)
        if libpcap.pcap_compile(handle, byref(program), create_string_buffer(text.encode()), 1, -1):
            return None
        found = _instructions(program)
        libpcap.pcap_freecode(byref(program))
        return found
    finally:
        libpcap.pcap_close(handle)


def for_ring(program: Instructions, link_type: int, snap_length: int) -> Instructions:
    """Return the program as the packet ring needs it: what it keeps of a packet is the snap length.

    A cooked packet reaches the kernel's filter without its header: what is asked of the header is asked of the kernel.
    Raises UsageError ``live.filter-cooked`` where that is not possible.
    """
    found = []
    header = HEADER_OF.get(link_type, 0)
    kept = max(snap_length - header, 1)
    for code, true, false, operand in program or [(RETURN, 0, 0, snap_length)]:
        value = operand
        if code == RETURN and operand:
            value = kept
        elif header and is_load(code) and operand < AUXILIARY:
            if operand >= header:
                value = operand - header
            elif operand in AUXILIARY_OF[link_type] and code & MODE == ABSOLUTE:
                value = AUXILIARY_OF[link_type][operand]
            else:
                raise UsageError("live.filter-cooked", octet=operand)
        found.append((code, true, false, value))
    return found


def is_load(code: int) -> bool:
    """Whether an instruction reads the packet at a place."""
    return code & CLASS in LOAD_CLASSES and code & MODE in (ABSOLUTE, INDIRECT, HEADER_LENGTH)


def asks_for_tags(text: str) -> bool:
    """Whether a filter speaks of VLAN tags, which the kernel has taken out of the frame before it asks the filter."""
    return "vlan" in re.findall(r"\w+", text.lower())


def find_culprit(text: str, link_type: int, reason: str) -> int:
    """Return the column (from 0) of the word that a message of libpcap is about, -1 where that is not to be known."""
    for quoted in re.findall(r"['\"]([^'\"]+)['\"]", reason):
        place = text.find(quoted)
        if place >= 0:
            return place
    numbers = [] if "must be" in reason else re.findall(r"\d+", reason)  # illegal port number 99999 > 65535
    for number in numbers:
        if named := re.search(rf"\b{number}\b", text):
            return named.start()
    words = list(re.finditer(r"\S+", text))
    if "syntax error" not in reason:
        return words[0].start() if len(words) == 1 else -1
    for word in words:
        begun = text[: word.end()]
        closed = ")" * (begun.count("(") - begun.count(")"))
        if not any(_compiles(begun + ending + closed, link_type) for ending in ENDINGS):
            return word.start()
    return len(text)  # every word fits, something is missing behind the last


def _compiles(text: str, link_type: int) -> bool:
    try:
        _compiled(text, link_type)
    except ValueError as error:
        return "syntax error" not in str(error)
    return True


def _compiled(text: str, link_type: int) -> Instructions:
    """Raises ImportError without libpcap and ValueError with its message for a wrong filter."""
    import logging
    import warnings

    logging.getLogger("scapy").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from scapy.arch.common import compile_filter as compile_by_scapy
        from scapy.arch.common import free_filter
        from scapy.error import Scapy_Exception
    if "\0" in text:
        raise ValueError("illegal character")
    try:
        program: Any = compile_by_scapy(text, linktype=link_type)
    except Scapy_Exception as error:
        said = str(error).removeprefix(f"Failed to compile filter expression {text!r} (").removesuffix(")")
        raise ValueError(said) from error
    found = _instructions(program)
    free_filter(program)
    return found


def _instructions(program: Any) -> Instructions:
    every = [program.bf_insns[place] for place in range(program.bf_len)]
    return [(int(each.code), int(each.jt), int(each.jf), int(each.k) & 0xFFFFFFFF) for each in every]


def install_command() -> str:
    """Return the command that installs libpcap on this system."""
    if sys.platform == "win32":
        return "https://npcap.com"
    return next((command for tool, command in PACKAGES if shutil.which(tool)), "libpcap")
