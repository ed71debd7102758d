"""The house keeps to its plan: who may import whom, where third parties live, how long a file grows.

Every complaint names a file and a line. The rules are DESIGN.md's; the exceptions below each say why.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "sniffkit"

ROOMS = ["errors", "sources", "protocols", "analysis", "explanations", "renderers", "commands"]
MAY_IMPORT = {room: set(ROOMS[: place + 1]) for place, room in enumerate(ROOMS)}
MAY_IMPORT["lab"] = {"errors", "sources", "lab"}
MAY_IMPORT["commands"] |= {"lab"}
MAY_IMPORT["__main__"] = {"commands", "errors"}
MAY_IMPORT["__init__"] = set(ROOMS) - {"commands"}

THIRD_PARTIES = {
    "scapy": ["sources/scapy_sockets.py", "sources/bpf.py", "protocols/beyond.py", "lab/"],
    "dns": ["protocols/dns.py", "sources/resolver/"],
    "zstandard": ["sources/compressed.py"],
    "lz4": ["sources/compressed.py"],
    "pyarrow": ["renderers/tables.py"],
    "rich": ["renderers/"],
    "textual": ["renderers/"],
    # The latter two join ready pieces of JSON, for speed.
    "orjson": ["renderers/json.py", "renderers/json_columns.py", "explanations/dns_lines.py"],
    "typer": ["commands/"],
    "numpy": [""],
}
"""Where each third party may be imported; a new one must be given its room here."""

NUMPY_ONLY_WHEN_USED = [
    "errors.py",
    "__init__.py",
    "__main__.py",
    "commands/",
    "explanations/__init__.py",
    "explanations/catalogue.py",
    "explanations/language.py",
    "renderers/json.py",
]
"""Files that ``--help`` and an error message load: NumPy (0.12 s) only inside the function that needs it."""

NOT_A_COMMAND = {
    "filtering": "-Y and --only, the same for every command that reads packets",
    "help": "the words of --help, in the language asked for",
    "spoken": "commands whose help page is in the reader's language to the last heading",
    "giving_way": "when live tells less, apart from what it tells",
    "complaint": "how any command's error is told",
    "selection": "which packets are meant by 3,7-9, for every command that takes packet numbers",
    "second_process": "flows --jobs 2: who reads in another process, seen from the first",
    "answering": "flows --jobs 2: who reads in another process, seen from there",
    "reading": "the options and the end that every command reading captures has",
    "telling": "one run of explain, kept apart from its options",
    "started_command": "the command that live runs, from its start to its end",
    "signals": "what live answers to signals, apart from what it tells",
    "watching": "one run of live, kept apart from its options",
    "provisions": "what a run may need later, loaded before it gives up its rights",
}
"""Files of commands/ that other commands may import, with the reason."""

NOT_A_RENDERER = {
    "screen": "where every renderer writes: its width, its colours, the signs it can show",
}
"""Files of renderers/ that other renderers may import, with the reason."""

LISTS_ITS_ROOM = {"commands/__init__.py", "commands/application.py", "renderers/__init__.py"}
"""Files that bring the members of a room together, and so import all of them."""

MAY_BE_LONG: dict[str, str] = {}
"""Files past 400 lines, with the reason."""

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc"}


@dataclass(frozen=True)
class Import:
    """One import: a whole module name ("sniffkit.protocols.tcp", "numpy") and what is taken from it."""

    module: str
    name: str | None
    line: int
    when_loaded: bool  # runs when the file is loaded: not inside a function, nor only for the type checker


def files() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def within(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def is_only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@cache
def imports_of(path: Path) -> list[Import]:
    return imports_in(tree_of(path), ["sniffkit", *path.relative_to(HOUSE).parts[:-1]])


def imports_in(program: ast.Module, package: list[str]) -> list[Import]:
    """Every import of a file, those inside functions and ``import_module("…")`` included."""
    found: list[Import] = []

    def walk(node: ast.AST, when_loaded: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, None, node.lineno, when_loaded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found.extend(Import(module, alias.name, node.lineno, when_loaded) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found.append(Import(beginning_of_text(node.args[0], package), None, node.lineno, when_loaded))
        inner = isinstance(node, FUNCTIONS) or is_only_for_types(node)
        for child in ast.iter_child_nodes(node):
            walk(child, when_loaded and not inner)

    walk(program, True)
    return found


def beginning_of_text(node: ast.expr, package: list[str]) -> str:
    """Return what is known of a computed module name: ``f"sniffkit.protocols.{name}"`` up to the brace."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
    text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    return ".".join([*package, text.lstrip(".")]) if text.startswith(".") else text


def own_module(wanted: Import) -> list[str] | None:
    """Return the parts of the module of ours that an import reaches, ["protocols", "tcp"], or None."""
    parts = wanted.module.rstrip(".").split(".")
    if parts[0] != "sniffkit":
        return None
    if wanted.name and is_module(path := [*parts[1:], wanted.name]):
        return path
    return parts[1:]


def is_module(parts: list[str]) -> bool:
    place = HOUSE.joinpath(*parts)
    return place.is_dir() or place.with_suffix(".py").exists()


def test_imports_are_found_wherever_they_stand() -> None:
    program = ast.parse(
        "from . import pcap\n"
        "if TYPE_CHECKING:\n    import numpy\n"
        "def read():\n    from ..errors import UsageError\n    import_module(f'sniffkit.lab.{name}')\n"
    )
    assert imports_in(program, ["sniffkit", "sources"]) == [
        Import("sniffkit.sources", "pcap", 1, True),
        Import("numpy", None, 3, False),
        Import("sniffkit.errors", "UsageError", 5, False),
        Import("sniffkit.lab.", None, 6, False),
    ]


def every_import() -> Iterator[tuple[Path, Import]]:
    for path in files():
        for wanted in imports_of(path):
            yield path, wanted


def complain(complaints: list[str]) -> None:
    assert not complaints, "\n" + "\n".join(complaints)


def test_a_room_imports_only_rooms_before_it() -> None:
    complaints = []
    for path, wanted in every_import():
        reached = own_module(wanted)
        if not reached:  # a third party, or the names sniffkit itself offers
            continue
        if reached[0] not in MAY_IMPORT[room_of(path)]:
            complaints.append(f"{path}:{wanted.line}: {room_of(path)} may not import {'.'.join(reached)}")
    complain(complaints)


def test_only_sniffkit_itself_offers_the_whole_house() -> None:
    """``import sniffkit`` is for users of the library; inside the house one says which room is meant."""
    complain(
        [
            f"{path}:{wanted.line}: import from the room, not from sniffkit"
            for path, wanted in every_import()
            if own_module(wanted) == [] and wanted.name != "__version__"
        ]
    )


@pytest.mark.parametrize(
    ("room", "exceptions"),
    [("commands", NOT_A_COMMAND), ("renderers", NOT_A_RENDERER)],
    ids=["command", "renderer"],
)
def test_neighbours_do_not_lean_on_each_other(room: str, exceptions: dict[str, str]) -> None:
    """A command imports no command and a renderer no renderer."""
    complaints = []
    for path, wanted in every_import():
        reached = own_module(wanted)
        if room_of(path) != room or within(path) in LISTS_ITS_ROOM:
            continue
        if not reached or reached[0] != room or len(reached) == 1 or reached[1] in exceptions:
            continue
        if reached[1] != path.relative_to(HOUSE).parts[1].removesuffix(".py"):
            complaints.append(f"{path}:{wanted.line}: imports {'.'.join(reached)}, its neighbour")
    complain(complaints)


def test_nobody_takes_what_another_file_keeps_to_itself() -> None:
    """A name with a leading underscore belongs to its file."""
    complaints = []
    for path in files():
        ours = {}
        for wanted in imports_of(path):
            if own_module(wanted) is None or wanted.name is None:
                continue
            if wanted.name.startswith("_") and not wanted.name.startswith("__"):
                complaints.append(f"{path}:{wanted.line}: takes {wanted.name} from {wanted.module}")
            ours[wanted.name] = own_module(wanted)
        modules = {name for name, parts in ours.items() if parts and parts[-1] == name}
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in modules
                and node.attr.startswith("_")
                and not node.attr.startswith("__")
            ):
                complaints.append(f"{path}:{node.lineno}: takes {node.attr} from {node.value.id}")
    complain(complaints)


def test_third_parties_stay_in_their_rooms() -> None:
    complaints = []
    for path, wanted in every_import():
        party = wanted.module.split(".")[0]
        if party in sys.stdlib_module_names or party in ("", "sniffkit"):
            continue
        rooms = THIRD_PARTIES.get(party)
        if rooms is None:
            complaints.append(f"{path}:{wanted.line}: {party} has no room yet (THIRD_PARTIES)")
        elif not within(path).startswith(tuple(rooms)):
            complaints.append(f"{path}:{wanted.line}: {party} belongs in {', '.join(rooms)}")
    complain(complaints)


def test_what_is_slow_to_load_is_loaded_when_it_is_used() -> None:
    """Scapy takes half a second, and most captures never need the others."""
    slow = {"scapy", "dns", "zstandard", "lz4", "pyarrow", "textual"}
    complaints = []
    for path, wanted in every_import():
        party = wanted.module.split(".")[0]
        in_time = party == "numpy" and within(path).startswith(tuple(NUMPY_ONLY_WHEN_USED))
        if wanted.when_loaded and (party in slow or in_time) and room_of(path) != "lab":
            complaints.append(f"{path}:{wanted.line}: import {party} inside the function that needs it")
    complain(complaints)


def test_every_file_opens_with_a_sentence() -> None:
    complaints = [f"{path}:1: no docstring" for path in files() if not ast.get_docstring(tree_of(path))]
    complain(complaints)


def test_no_file_grows_without_end() -> None:
    """Past 400 lines a file is split by noun, or its reason stands in MAY_BE_LONG."""
    complaints = []
    for path in [*files(), *sorted((ROOT / "benchmarks").glob("*.py"))]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        name = path.relative_to(ROOT).as_posix()
        if lines > 400 and name not in MAY_BE_LONG:
            complaints.append(f"{path}:401: {lines} lines")
        if lines <= 400 and name in MAY_BE_LONG:
            complaints.append(f"{path}: {lines} lines: take it out of MAY_BE_LONG")
    complain(complaints)


def test_names_say_what_is_inside() -> None:
    complaints = [
        f"{path}: says nothing"
        for path in files()
        if NAMES_THAT_SAY_NOTHING & set(path.relative_to(HOUSE).with_suffix("").parts)
    ]
    complain(complaints)


def test_every_file_belongs_to_a_room() -> None:
    complain([f"{path}: which room is this?" for path in files() if room_of(path) not in MAY_IMPORT])


def test_exceptions_are_still_needed() -> None:
    """A list of exceptions that outlives them hides the next offence."""
    for room, exceptions in (("commands", NOT_A_COMMAND), ("renderers", NOT_A_RENDERER)):
        for name in exceptions:
            assert is_module([room, name]), f"{room}/{name} is gone"
    for name in MAY_BE_LONG:
        assert (ROOT / name).exists(), f"{name} is gone"


def modules_loaded_by(*arguments: str) -> set[str]:
    """Return the modules in memory at the end of ``sniffkit ARGUMENTS``."""
    program = (
        "import sys\n"
        f"sys.argv = ['sniffkit', *{list(arguments)!r}]\n"
        "import sniffkit.__main__\n"
        "from sniffkit.commands.application import application\n"
        "code = application()\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=ROOT, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.skipif(not (HOUSE / "__main__.py").exists(), reason="the commands are not there yet")
def test_help_loads_nothing_heavy() -> None:
    """``--help`` comes in under 0.3 s because it loads neither packets nor texts."""
    loaded = modules_loaded_by("--help")
    assert "typer" in loaded
    assert not loaded & {"numpy", "scapy", "dns", "orjson", "zstandard", "lz4", "sniffkit.sources.batch"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["flows", "--json", "dns-faults.pcap"],
        ["flows", "--findings", "handshake-close-4.pcap"],
        ["explain", "handshake-close-4.pcap"],
        ["fields", "-e", "ip.src", "dns-faults.pcap"],
        ["dns", "dns-faults.pcap"],
        ["arp", "arp-proxy.pcap"],
    ],
    ids=" ".join,
)
def test_nothing_loads_masked_arrays(arguments: list[str]) -> None:
    """``np.unique`` loads them to ask whether it was given one: 20 ms, a tenth of a short run (see ``distinct``)."""
    assert "numpy.ma" not in modules_loaded_by(*arguments[:-1], str(ROOT / "captures" / arguments[-1]))


@pytest.mark.skipif(not (HOUSE / "__main__.py").exists(), reason="the commands are not there yet")
def test_explaining_tcp_does_not_load_scapy() -> None:
    """Half a second for a dissector that a TCP capture never asks."""
    loaded = modules_loaded_by("explain", str(ROOT / "captures" / "handshake-close-4.pcap"))
    assert "sniffkit.protocols.tcp" in loaded
    assert not loaded & {"scapy", "dns", "zstandard", "lz4"}
