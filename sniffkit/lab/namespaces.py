"""Network namespaces: private copies of the kernel's whole network, with their own interfaces and addresses.

A namespace lives as long as someone holds it open. The lab holds each one by a file descriptor of its own process
only, so that nothing is left behind however the process ends, by a crash or by ``kill -9`` too.

Root may make namespaces at once. Anyone else first steps into a user namespace, where the kernel grants root's
rights over namespaces made inside and over nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING

from sniffkit.errors import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
CAP_SYS_ADMIN = 21


def may_make_namespaces() -> bool:
    """Tell whether this process holds CAP_SYS_ADMIN in its user namespace.

    Raises NotPermitted ``lab.not-linux`` on other systems, which have no namespaces.
    """
    if not sys.platform.startswith("linux"):
        raise NotPermitted("lab.not-linux", system=sys.platform)
    with open("/proc/self/status") as status:
        effective = next(line for line in status if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_ADMIN & 1)


def enter() -> None:
    """Leave the machine's network for good: this process moves into an empty network of its own.

    Without root's rights it moves into a user namespace first; the process must then have one thread only, which is
    why scenarios run in a process of their own. Raises NotPermitted ``lab.no-namespaces`` with the call that failed.
    """
    if may_make_namespaces():
        unshare(CLONE_NEWNET)
        return
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"0 {user} 1")
    write("/proc/self/gid_map", f"0 {group} 1")


def create() -> int:
    """Make a new, empty network namespace; return the file descriptor that keeps it alive."""
    before = current()
    try:
        unshare(CLONE_NEWNET)
        made = current()
        setns(before)
    finally:
        os.close(before)
    return made


@contextlib.contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Run the body in a namespace, this thread only; what is opened there stays there."""
    before = current()
    try:
        setns(namespace)
        yield
    finally:
        setns(before)
        os.close(before)


def current() -> int:
    """Open the namespace this thread is in."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def unshare(flags: int) -> None:
    """Leave what the flags name for a new one of it; ``os.unshare`` exists from Python 3.12 on only."""
    if _libc().unshare(flags) != 0:
        name = "unshare(CLONE_NEWUSER)" if flags & CLONE_NEWUSER else "unshare(CLONE_NEWNET)"
        raise NotPermitted("lab.no-namespaces", call=name, reason=os.strerror(ctypes.get_errno()))


def setns(namespace: int) -> None:
    """Move this thread into a network namespace; ``os.setns`` exists from Python 3.12 on only."""
    if _libc().setns(namespace, CLONE_NEWNET) != 0:
        raise NotPermitted("lab.no-namespaces", call="setns", reason=os.strerror(ctypes.get_errno()))


def write(path: str, text: str) -> None:
    """Write one value into a file of /proc."""
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise NotPermitted("lab.no-namespaces", call=f"write {path}", reason=error.strerror) from error


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
