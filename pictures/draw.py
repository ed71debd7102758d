"""Draws the pictures of the READMEs: what sniffkit prints in a terminal, kept as SVG (``make pictures``).

Each picture is a command's own output with its colours, in a window of so many columns; nothing is drawn by hand.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

FOLDER = Path(__file__).parent
COLUMNS = 110
LINES = 40
CELL, LINE, MARGIN = 8, 18, 16
"""Width of a column, height of a line and the border, in the picture's own units."""

COMMANDS = {
    "explain.en.svg": ("explain", "captures/handshake-close-4.pcap", "--lang", "en"),
    "explain.zh.svg": ("explain", "captures/handshake-close-4.pcap", "--lang", "zh"),
}
"""Each picture and the command whose output it is."""

FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', 'Microsoft YaHei', monospace"

PAPER, INK, FAINT = "fafaf8", "24292f", "5a6068"
COLOURS = ("24292f", "b3261e", "1a7f37", "8c5e00", "0969da", "8250df", "116378", "5a6068")
"""Black, red, green, yellow, blue, magenta, cyan and white of the terminal, for a light page: against PAPER each has
a contrast of 4.5 or more (WCAG 2.1, 1.4.3)."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of six hexadecimal digits."""
    red, green, blue = bytes.fromhex(colour)
    return red, green, blue


THEME = TerminalTheme(rgb(PAPER), rgb(INK), [rgb(colour) for colour in COLOURS])


def printed(command: tuple[str, ...]) -> str:
    """Return what a command prints to a terminal of so many columns."""
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 1000, COLUMNS, 0, 0))
    surroundings = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    surroundings |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1", "TZ": "UTC"}
    process = subprocess.Popen(
        [sys.executable, "-m", "sniffkit", *command],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        env=surroundings,
        cwd=FOLDER.parent,
    )
    os.close(terminal)
    output = b""
    try:
        while piece := os.read(ours, 65536):
            output += piece
    except OSError:  # Linux says EIO where the other end of a terminal is closed
        pass
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, process.args, output)
    return output.decode().replace("\r\n", "\n")


def lines_shown(output: str) -> list[str]:
    """Return the lines a picture has room for."""
    lines = output.rstrip("\n").splitlines()
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], "…"]


def draw(command: tuple[str, ...]) -> str:
    """Return a command's output as an SVG that needs no font from anywhere."""
    lines = lines_shown(printed(command))
    width, height = COLUMNS * CELL + 2 * MARGIN, (len(lines) + 2) * LINE + 2 * MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONTS}" font-size="14">',
        f'<rect width="{width}" height="{height}" rx="8" fill="#{PAPER}"/>',
        *cells(Text(f"$ sniffkit {' '.join(command)}", style="bold"), 0),
    ]
    for row, line in enumerate(lines):
        drawn.extend(cells(Text.from_ansi(line), row + 2))
    return "\n".join([*drawn, "</svg>", ""])


def cells(line: Text, row: int) -> Iterator[str]:
    """Yield the pieces of a line, each at its column; a Chinese character takes two, whatever the font says."""
    column = 0
    for segment in line.render(Console(color_system="truecolor")):
        for piece in re.findall(r"[^\u2e80-\uffef]+|[\u2e80-\uffef]+", segment.text.rstrip("\n")):
            wide = cell_len(piece)
            if piece.strip():
                x, y = MARGIN + column * CELL, MARGIN + (row + 1) * LINE - 5
                yield (
                    f'<text x="{x}" y="{y}" textLength="{wide * CELL}" lengthAdjust="spacingAndGlyphs"'
                    f' xml:space="preserve"{look(segment.style)}>{escape(piece)}</text>'
                )
            column += wide


def look(style: Style | None) -> str:
    """Return colour and weight of a piece as SVG attributes."""
    colour, weight = f"#{INK}", ""
    if style is not None:
        if style.dim:
            colour = f"#{FAINT}"
        elif style.color is not None:
            colour = style.color.get_truecolor(THEME).hex
        weight = ' font-weight="bold"' if style.bold else ""
    return f' fill="{colour}"{weight}'


if __name__ == "__main__":
    for name, command in COMMANDS.items():
        (FOLDER / name).write_text(draw(command), encoding="utf-8")
        print(FOLDER / name)
