"""The right to capture: how to get it on this system, and how it is given up once the socket is open.

A program that reads what strangers send should not be root while it does. capabilities(7), user_namespaces(7); the
calls are capset(2) and prctl(2), which Python has no words for.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

from sniffkit.errors import NotPermitted

SET_NO_NEW_PRIVILEGES, DROP_FROM_BOUNDING_SET, AMBIENT, CLEAR_AMBIENT = 38, 24, 47, 4
CAPABILITY_VERSION = 0x20080522
WHOLE_MACHINE = ["0", "0", "4294967295"]
LAST_CAPABILITY = 63


@dataclass(frozen=True, slots=True)
class Person:
    """Who runs sudo: for whom the capture is made."""

    name: str
    user: int
    group: int

    @property
    def home(self) -> str:
        """The home directory."""
        import pwd

        return pwd.getpwuid(self.user).pw_dir


@dataclass(frozen=True, slots=True)
class Given:
    """What was given up.

    way: "user" (became that user), "capabilities" (still the same user, without any special right), "kept-user" (the
    same, because the user could not make files in ``directory``), "namespace" (rights that count inside a user
    namespace only: nothing to give up), "nothing" (there was nothing)
    """

    way: Literal["user", "capabilities", "kept-user", "namespace", "nothing"]
    user: str = ""
    directory: str = ""


def leave_homes_alone() -> None:
    """Let no library make folders in a home while this is root: sudo may leave HOME as it was; Scapy keeps tables."""
    if behind_sudo() is not None:
        os.environ |= dict.fromkeys(("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), f"{os.devnull}/none")


def behind_sudo() -> Person | None:
    """Return who called sudo, None where nobody did or it was root itself."""
    if sys.platform == "win32":
        return None
    import pwd

    number = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not number.isdigit() or int(number) == 0:
        return None
    try:
        entry = pwd.getpwuid(int(number))
    except KeyError:
        return None
    return Person(entry.pw_name, entry.pw_uid, entry.pw_gid)


def give_up_privilege(directory: str = "") -> Given:
    """Give up every right that capturing needed; call it before any packet is looked at and before other threads run.

    directory: where this run will make files later on, "" for none
    """
    if sys.platform == "win32":
        return Given("nothing")
    if in_user_namespace():
        return Given("namespace")
    person = behind_sudo()
    way: Literal["user", "capabilities", "kept-user"] = "capabilities"
    if person is not None and (not directory or _may_make_files(person, directory)):
        _drop_bounding_set()
        _become(person)
        way = "user"
    elif person is not None and sys.platform.startswith("linux"):
        way = "kept-user"
    elif not has_rights() or not sys.platform.startswith("linux"):  # elsewhere root has no parts to give up
        return Given("nothing")
    else:
        _drop_bounding_set()
    if sys.platform.startswith("linux"):
        _drop_capabilities()
    return Given(way, person.name if person else "", directory)


def has_rights() -> bool:
    """Whether ``give_up_privilege`` will give up anything."""
    return not in_user_namespace() and (os.geteuid() == 0 or bool(_capabilities()))


def in_user_namespace() -> bool:
    """Whether the rights of this process count in a user namespace only and not on the machine."""
    try:
        with open("/proc/self/uid_map") as file:
            return file.read().split() != WHOLE_MACHINE
    except OSError:
        return False


def refused(interface: str) -> NotPermitted:
    """Return the error of a missing right, with what mends it here: this run with sudo, once and for all, or a pipe."""
    script = shutil.which(sys.argv[0]) if sys.argv and not sys.argv[0].endswith(".py") else None
    program = [os.path.abspath(script)] if script else [sys.executable, "-m", "sniffkit"]
    return NotPermitted(
        "live.not-permitted-windows"
        if sys.platform == "win32"
        else "live.not-permitted-mac"
        if sys.platform == "darwin"
        else "live.not-permitted-container"
        if os.geteuid() == 0
        else "live.not-permitted",
        sudo=shlex.join(["sudo", *program, *sys.argv[1:]]),
        setcap=shlex.join(["sudo", "setcap", "cap_net_raw+eip", os.path.realpath(sys.executable)]),
        pipe=" | ".join(
            shlex.join(each)
            for each in (["sudo", "tcpdump", "-i", interface, "-U", "-w", "-"], [*program, "explain", "-"])
        ),
    )


def _become(person: Person) -> None:
    os.initgroups(person.name, person.group)
    if sys.platform.startswith("linux"):
        os.setresgid(person.group, person.group, person.group)
        os.setresuid(person.user, person.user, person.user)
    else:
        os.setgid(person.group)
        os.setuid(person.user)
    os.environ["HOME"] = person.home


def _may_make_files(person: Person, directory: str) -> bool:
    """Ask in a process that is the user already: groups, ACLs and folders above are judged by the system itself."""
    child = os.fork()
    if child == 0:
        try:
            _become(person)
            os._exit(0 if os.access(directory, os.W_OK | os.X_OK) else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _capabilities() -> int:
    """Return the permitted capabilities as bits."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))
    except (OSError, StopIteration):
        return 0


def _drop_bounding_set() -> None:
    """No program started from here on gets a capability back. Without CAP_SETPCAP this is refused, and not needed."""
    if sys.platform.startswith("linux"):
        for capability in range(LAST_CAPABILITY + 1):
            _libc().prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


def _drop_capabilities() -> None:
    libc = _libc()
    libc.prctl(AMBIENT, CLEAR_AMBIENT, 0, 0, 0)
    libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0 or _capabilities():
        raise OSError(ctypes.get_errno(), "capset")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
