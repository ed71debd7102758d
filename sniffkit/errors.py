"""Everything sniffkit raises on purpose, as one tree.

    SniffkitError
    ├── UsageError            2  the command line, a filter or a field name is wrong
    ├── DamagedCapture        1  cut short or damaged; what could be read was read
    ├── NotACapture           3  missing, a directory, or not a capture file
    └── NotPermitted          4  no permission, or no such interface

An error carries an id and values, no sentence: ``explanations`` says it in the reader's language
(texts/errors.toml), with what went wrong, at which packet and octet, and what to try.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns to the shell."""

    OK = 0
    DAMAGED = 1
    USAGE = 2
    NOT_A_CAPTURE = 3
    NOT_PERMITTED = 4
    INTERRUPTED = 130


class SniffkitError(Exception):
    """An error with an id (``pcap.packet-cut``) and the values its sentence needs."""

    exit_code = ExitCode.DAMAGED

    def __init__(self, id: str, **values: object) -> None:
        super().__init__(id)
        self.id = id
        self.values = values

    def __str__(self) -> str:
        details = ", ".join(f"{name} {value}" for name, value in self.values.items())
        return f"{self.id}: {details}" if details else self.id


class UsageError(SniffkitError):
    """A wrong option, filter or field name; ``place`` (column) draws a caret where it is known."""

    exit_code = ExitCode.USAGE


class DamagedCapture(SniffkitError):
    """A capture cut short or damaged; values name the file, the packet and the octet."""

    exit_code = ExitCode.DAMAGED


class NotACapture(SniffkitError):
    """A file that is missing or holds no capture."""

    exit_code = ExitCode.NOT_A_CAPTURE


class NotPermitted(SniffkitError):
    """Reading or capturing was refused by the system, or the interface does not exist."""

    exit_code = ExitCode.NOT_PERMITTED
