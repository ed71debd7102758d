"""Text from a packet made safe for a screen: nothing a sender wrote may move a cursor or change a colour."""

from __future__ import annotations

from collections.abc import Mapping


def escaped(text: str) -> str:
    r"""Return ``text`` with control, formatting and lone surrogate characters as ``\x1b`` or ``\u202e``.

    Direction overrides and zero-width characters are escaped too: a name must look like what it is.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _code(character) for character in text)


def safe(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a sentence with all texts in them, also those of a list (a tuple), made safe."""
    return {name: _safe(value) for name, value in values.items()}


def _safe(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_safe, value))
    return escaped(value) if isinstance(value, str) else value


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
