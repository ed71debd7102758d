"""What the README shows is what happens: its commands are run, and their output is compared.

    ```console      commands after "$ ", run in a shell at the top of the project; what follows is their output,
                    both of stdout and stderr; a line "..." stands for lines left out
    ```sh           commands to type that are not run here (an installation, a live capture): they must exist
    ```python       programs, run to their end

`make expected` writes the outputs anew (where nothing is left out). The English and the Chinese README show the
same commands.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = {"README.md": "en_US.UTF-8", "README.zh.md": "zh_CN.UTF-8"}
"""Each README and the locale of its readers."""

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A command as a README shows it, with the output below it."""

    readme: str
    command: str
    output: str


def blocks(readme: str, kind: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    return [block for found, block in BLOCK.findall(text) if found == kind]


def shown(readme: str) -> Iterator[Shown]:
    for block in blocks(readme, "console"):
        assert block.startswith("$ "), f"{readme}: a console block opens with a command: {block[:60]!r}"
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Shown(readme, command, output)


def surroundings(readme: str) -> dict[str, str]:
    """A reader's environment: sniffkit is installed, the terminal has 100 columns and is not ours."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR", "SYSTEMROOT")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return kept | {"PATH": path, "LANG": READMES[readme], "COLUMNS": "100", "TZ": "UTC", "PYTHONUTF8": "1"}


def run(shown: Shown) -> str:
    done = subprocess.run(
        ["bash", "-c", shown.command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=surroundings(shown.readme),
        cwd=ROOT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 or "echo $?" in shown.command, f"exit code {done.returncode}:\n{done.stdout}"
    return without_trailing_spaces(done.stdout)


def without_trailing_spaces(text: str) -> str:
    """Editors remove spaces at the ends of lines."""
    return re.sub(r" +$", "", text, flags=re.MULTILINE).rstrip("\n")


def agrees(shown: str, printed: str) -> bool:
    """Compare an output with the one shown, in which a line "..." stands for any lines."""
    parts = re.split(r"^\.\.\.$", without_trailing_spaces(shown), flags=re.MULTILINE)
    return re.fullmatch(".*".join(re.escape(part) for part in parts), printed, re.DOTALL) is not None


def test_what_is_left_out_may_be_anything_and_the_rest_may_not() -> None:
    assert agrees("one\n...\nfour", "one\ntwo\nthree\nfour")
    assert not agrees("one\n...\nfour", "one\ntwo\nthree\nfive")
    assert not agrees("one", "one\ntwo")


EVERY = [each for readme in READMES for each in shown(readme)]


@pytest.mark.parametrize("each", EVERY, ids=[f"{each.readme}: {each.command}" for each in EVERY])
def test_commands_print_what_is_shown(each: Shown, rewrite: bool) -> None:
    printed = run(each)
    if rewrite and not re.search(r"^\.\.\.$", each.output, re.MULTILINE):
        path = ROOT / each.readme
        old, new = f"$ {each.command}\n{each.output}", f"$ {each.command}\n{printed}\n"
        blank = "\n" if each.output.endswith("\n\n") else ""
        path.write_text(path.read_text(encoding="utf-8").replace(old, new + blank, 1), encoding="utf-8")
        return
    if not agrees(each.output, printed):
        assert printed == without_trailing_spaces(each.output), f"{each.readme}: $ {each.command}"


@pytest.mark.parametrize("readme", READMES)
def test_programs_run(readme: str) -> None:
    for program in blocks(readme, "python"):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=ROOT, timeout=60, check=False
        )
        assert done.returncode == 0, f"{program}\n{done.stderr}"


@pytest.mark.parametrize("readme", READMES)
def test_commands_to_type_exist(readme: str) -> None:
    """``make VERB`` and ``sniffkit COMMAND`` in the text are verbs of the Makefile and commands of the program."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    typed = [*"\n".join(blocks(readme, "sh")).splitlines(), *re.findall(r"`((?:make|sniffkit) [^`]+)`", text)]
    lines = [shlex.split(line, comments=True) for line in typed if line.strip()]
    assert lines, f"{readme} shows nothing to type"
    for words in lines:
        if words[0] == "make" and len(words) > 1:
            assert words[1] in verbs, f"{readme}: there is no `{' '.join(words)}`"
        if words[0] == "sniffkit" and len(words) > 1 and not words[1].startswith("-"):
            command = ["sniffkit", words[1], "--help"]
            done = subprocess.run(
                [sys.executable, "-m", *command], capture_output=True, cwd=ROOT, timeout=60, check=False
            )
            assert done.returncode == 0, f"{readme}: there is no `{' '.join(words)}`"


def test_both_languages_show_the_same_commands() -> None:
    def commands(readme: str) -> list[str]:
        typed = [each.command for each in shown(readme)] + [
            line for block in blocks(readme, "sh") for line in block.splitlines()
        ]
        return [re.sub(r" --lang \w+|\s*#.*", "", command).replace(".zh.", ".") for command in typed]

    assert commands("README.md") == commands("README.zh.md")


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text):
        link = "".join(target)
        if not link.startswith(("http://", "https://")):
            assert (ROOT / link).exists(), f"{page}: {link} is not there"
