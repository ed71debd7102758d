"""Lessons drawn as lines of text: coloured and wrapped in a terminal, plain and whole in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sniffkit.renderers.screen import Screen, cells

if TYPE_CHECKING:
    from sniffkit.explanations.lesson import Branch, Fold, Note, PacketLesson, Summary, Table
    from sniffkit.explanations.listing import Lines

_MARGIN = "      "
_NOBODY = "-"
"""Stands for an address that a packet does not have."""

_SIGNS = {"lesson": "·", "note": "·", "warning": "!"}


class Terminal:
    """Draws lessons on a screen."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def tell(self, lessons: Iterable[PacketLesson | Fold]) -> None:
        """Draw packets and folds in order."""
        write = self.screen.write
        for lesson in lessons:
            lines = self._fold(lesson) if _is_fold(lesson) else self._packet(lesson)  # type: ignore[arg-type]
            write("\n".join(lines) + "\n")

    def listing(self, lines: Lines, rows: Iterable[int] | None = None) -> None:
        """Draw the bare listing: one line a packet, nothing else."""
        columns = zip(
            range(lines.number, lines.number + len(lines.time)),
            lines.time,
            (end or _NOBODY for end in lines.source),
            (end or _NOBODY for end in lines.destination),
            lines.protocol,
            lines.summary,
            strict=True,
        )
        if rows is not None:
            chosen = set(rows)
            columns = (line for row, line in enumerate(columns) if row in chosen)  # type: ignore[assignment]
        if self.screen.colour:
            paint = self.screen.paint
            text = "".join(
                f"{paint(f'{number:5d}', 'number')} {paint(f'{time:>12}', 'time')} {paint(source, 'source')} → "
                f"{paint(destination, 'destination')} {paint(protocol, 'protocol')} {summary}\n"
                for number, time, source, destination, protocol, summary in columns
            )
        else:
            text = "".join(
                [
                    f"{number:5d} {time:>12} {source} → {destination} {protocol} {summary}\n"
                    for number, time, source, destination, protocol, summary in columns
                ]
            )
        self.screen.write(text)

    def table(self, table: Table) -> None:
        """Draw a table that stands alone."""
        self.screen.write("\n".join(self._table(table)) + "\n")

    def summary(self, summary: Summary) -> None:
        """Draw what stands at the end."""
        write = self.screen.write
        heading = self.screen.wrapped(summary.heading)
        write("\n" + "\n".join(self.screen.paint(line, "heading") for line in heading) + "\n")
        for paragraph in summary.paragraphs:
            write("\n".join(self.screen.wrapped(paragraph, "", "")) + "\n")
        for table in summary.tables:
            write("\n" + "\n".join(self._table(table)) + "\n")
        if summary.limits:
            write("\n")
        for note in summary.limits:
            write("\n".join(self._note(note, "")) + "\n")

    def _packet(self, lesson: PacketLesson) -> list[str]:
        line = lesson.line
        paint = self.screen.paint
        head = f"{line.number:>5} {line.time:>10}  "
        source, destination = line.source or _NOBODY, line.destination or _NOBODY
        ends = f"{source} → {destination}"
        plain = self.screen.show(f"{head}{ends}  {line.protocol}  {line.summary}")
        painted = (
            f"{paint(head.rstrip(), 'number')}  {paint(source, 'source')} → "
            f"{paint(destination, 'destination')}  {paint(line.protocol, 'protocol')}  "
        )
        if self.screen.width is None or cells(plain) <= self.screen.width:
            found = [painted + line.summary]
        else:
            if cells(self.screen.show(f"{head}{ends}  {line.protocol}")) <= self.screen.width:
                found = [painted.rstrip()]
            else:
                found = [f"{paint(head.rstrip(), 'number')}  {paint(line.protocol, 'protocol')}"]
                found += [paint(text, "source") for text in self.screen.wrapped(ends, _MARGIN, _MARGIN)]
            found += self.screen.wrapped(line.summary, _MARGIN, _MARGIN)
        if lesson.step or lesson.states:
            found += self._states(lesson)
        for note in lesson.notes:
            found += self._note(note, _MARGIN)
        if lesson.branches:
            found += self._branches(lesson.branches, _MARGIN)
        return found

    def _branches(self, branches: tuple[Branch, ...], margin: str) -> list[str]:
        """Draw a tree: the last branch of each level ends its line, what was not seen hangs on a broken one."""
        found = []
        for place, branch in enumerate(branches):
            last = place == len(branches) - 1
            below = margin + ("   " if last else "│  ")
            sign = ("└" if last else "├") + ("─ " if branch.seen else "╌ ")
            lines = self.screen.wrapped(branch.head, margin + sign, below)
            found += lines if branch.seen else [self.screen.paint(line, "dim") for line in lines]
            for note in branch.notes:
                lines = self.screen.wrapped(note.text, below, below)
                found += [self.screen.paint(line, note.level) for line in lines]
            found += self._branches(branch.branches, below)
        return found

    def _states(self, lesson: PacketLesson) -> list[str]:
        parts = []
        for end in lesson.states:
            name = f"（{end.name}）" if end.name and end.name != end.after else ""
            moved = f"{end.before} → {end.after}" if end.before != end.after else end.after
            parts.append(f"{end.end} {moved}{name}")
        step = f"[{lesson.step}]  " if lesson.step else ""
        text = step + "  |  ".join(parts)
        if self.screen.width is None or cells(_MARGIN + text) <= self.screen.width:
            shown = (self.screen.paint(step.rstrip(), "step") + "  " if step else "") + self.screen.paint(
                "  |  ".join(parts), "state"
            )
            return [_MARGIN + shown]
        found = [_MARGIN + self.screen.paint(step.rstrip(), "step")] if step else []
        lines = [line for part in parts for line in self.screen.wrapped(part, _MARGIN, f"{_MARGIN}  ")]
        return found + [self.screen.paint(line, "state") for line in lines]

    def _note(self, note: Note, margin: str) -> list[str]:
        sign = _SIGNS[note.level]
        lines = self.screen.wrapped(note.text, f"{margin}{sign} ", f"{margin}  ")
        found = [self.screen.paint(line, note.level) for line in lines]
        return found + [self.screen.paint(line, "dim") for line in self._filters(note, f"{margin}  ")]

    def _filters(self, note: Note, margin: str) -> list[str]:
        """Draw a note's filters: in one line where they fit, else a line each, so that they can be copied whole."""
        together = margin + "   ".join(note.filters)
        if not note.filters or self.screen.width is None or cells(together) <= self.screen.width:
            return [together] if note.filters else []
        return [line for one in note.filters for line in self.screen.wrapped(one, margin, f"{margin}  ")]

    def _fold(self, fold: Fold) -> list[str]:
        return [
            self.screen.paint(line, "fold") for line in self.screen.wrapped(fold.text, f"{_MARGIN}⋯ ", f"{_MARGIN}  ")
        ]

    def _table(self, table: Table) -> list[str]:
        rows = [table.headings, *table.rows]
        widths = [max(cells(row[column]) for row in rows) for column in range(len(table.headings))]
        title = self.screen.wrapped(table.title) if table.title else []
        found = [self.screen.paint(line, "heading") for line in title]
        begin = sum(widths[:-1]) + 2 * (len(widths) - 1)
        if table.hanging and self.screen.width is not None and begin + cells(table.headings[-1]) <= self.screen.width:
            rows = [line for row in rows for line in _hung(row, begin, self.screen.width)]
            widths[-1] = 0
        lines = self._lines_of_a_row(widths)
        for place, row in enumerate(rows):
            for number, columns in enumerate(lines):
                if not any(row[column] for column in columns) and any(row):
                    continue  # nothing of this row stands in this line
                parts = []
                for column in columns:
                    space = " " * (widths[column] - cells(row[column]))
                    parts.append(space + row[column] if column in table.right else row[column] + space)
                margin = " " * (widths[0] + 2) if number else ""
                text = margin + "  ".join(parts).rstrip()
                found.append(self.screen.paint(text, "dim") if place == 0 else text)
        if table.note:
            found += [self.screen.paint(line, "dim") for line in self.screen.wrapped(table.note)]
        return found

    def _lines_of_a_row(self, widths: list[int]) -> list[list[int]]:
        """Return which columns stand in one line: all of them, or as many as fit and the others below, indented."""
        lines: list[list[int]] = [[]]
        used = 0
        for column, width in enumerate(widths):
            if lines[-1] and self.screen.width is not None and used + 2 + width > self.screen.width:
                lines.append([])
                used = widths[0]
            lines[-1].append(column)
            used += width + 2 * (used > 0)
        return lines


def _hung(row: Sequence[str], begin: int, width: int) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a row whose last cell begins at a column; one that is too long has a line to itself."""
    *others, last = row
    if begin + cells(last) <= width or not last:
        yield (*others, last)
        return
    if any(others):
        yield (*others, "")
    yield (" " * max(width - cells(last), 0) + last, *[""] * len(others))


def _is_fold(lesson: object) -> bool:
    return not hasattr(lesson, "line")
