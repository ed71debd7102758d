"""Bad input ends in one clear line with packet and octet, the documented exit code, and everything readable told."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sniffkit.renderers.screen import cells

CAPTURE = Path(__file__).parents[2] / "captures" / "handshake-close-4.pcap"
WHOLE = CAPTURE.read_bytes()
HEADER = WHOLE[:24]
SECTION = b"\x0a\x0d\x0d\x0a" + struct.pack("<IIHHqI", 28, 0x1A2B3C4D, 1, 0, -1, 28)
LYING = HEADER + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + bytes(100)


@pytest.mark.parametrize(
    ("octets", "code", "told", "packets"),
    [
        (b"", 3, "empty", 0),
        (b"hello world, this is no capture\n" * 4, 3, "text", 0),
        (WHOLE[:20], 3, "20 octets", 0),
        (WHOLE[:300], 1, "packet 4, at octet 286", 3),
        (WHOLE[:320], 1, "packet 4", 3),
        (LYING, 1, "2147483647", 0),
        (gzip.compress(WHOLE[:300], mtime=0)[:-8], 1, "gzip", 3),
        (SECTION + struct.pack("<II", 6, 0), 1, "octet 28", 0),
    ],
    ids=["empty", "text", "header cut", "record cut", "packet cut", "lying length", "gzip cut", "pcapng length 0"],
)
def test_damage(
    octets: bytes, code: int, told: str, packets: int, tmp_path: Path, sniffkit: Callable[..., Any]
) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(octets)
    run = sniffkit("explain", "-q", path)
    assert run.code == code
    assert len(run.out.splitlines()) == packets
    assert told in run.err
    assert "Traceback" not in run.err
    chinese = sniffkit("explain", "-q", path, "--lang", "zh")
    assert chinese.code == code
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese.err)


def test_directory_and_nothing(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    assert sniffkit("explain", tmp_path).code == 3
    assert sniffkit("explain", tmp_path / "nothing").code == 3
    assert sniffkit("explain").code == 2


def test_no_permission(tmp_path: Path, sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.pcap"
    path.write_bytes(WHOLE)
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything, so the system's refusal is played

        def refuse(*given: object, **named: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("io.FileIO", refuse)
    run = sniffkit("explain", path)
    monkeypatch.undo()
    assert run.code == 4
    assert "secret.pcap" in run.err


@pytest.mark.parametrize("options", [[], ["-q"], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(options: list[str], tmp_path: Path) -> None:
    """``sniffkit explain big.pcap | head -1``."""
    path = tmp_path / "big.pcap"
    path.write_bytes(HEADER + WHOLE[24:] * 2000)
    command = [sys.executable, "-m", "sniffkit", "explain", *options, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    process.stderr.close()


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_any_encoding(encoding: str) -> None:
    """A GBK console and LANG=C read the same words, with signs they have."""
    command = [sys.executable, "-m", "sniffkit", "explain", "--lang", "zh", str(CAPTURE)]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=True)
    text = done.stdout.decode(encoding)
    assert "SYN-SENT" in text
    assert ("客户端" in text) == (encoding != "ascii")
    assert done.stderr == b""


def test_a_name_with_control_characters_cannot_touch_the_screen(tmp_path: Path, sniffkit: Callable[..., Any]) -> None:
    """A DNS question for a name that holds an escape sequence."""
    name = b"\x08\x1b[31mred\x00"
    dns = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    udp = struct.pack(">HHHH", 40000, 53, 8 + len(dns), 0) + dns
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
    frame = bytes(12) + b"\x08\x00" + ip
    path = tmp_path / "\x1b]0;title\x07.pcap"
    path.write_bytes(HEADER + struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame + b"\x00")
    for options in ([], ["-q"], ["--packet", "1"], ["--json"]):
        run = sniffkit("explain", path, *options)
        assert run.code == 1
        assert "\x1b" not in run.out + run.err
        assert "\\x1b" in run.out or "\\\\x1b" in run.out or "\\027" in run.out or "\\\\027" in run.out


def test_a_mistake_of_ours_is_one_line_too(sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a traceback, but for whoever asks for it."""

    def fail(*given: object) -> None:
        raise ZeroDivisionError("\x1b[31m")

    monkeypatch.setattr("sniffkit.analysis.capture.CaptureAnalysis.feed", fail)
    run = sniffkit("explain", CAPTURE, debug=False)
    assert run.code == 1
    assert "Traceback" not in run.err
    assert "ZeroDivisionError" in run.err
    assert "\x1b" not in run.err
    with pytest.raises(ZeroDivisionError):
        sniffkit("explain", CAPTURE)


def test_a_conversation_that_is_not_there(sniffkit: Callable[..., Any]) -> None:
    run = sniffkit("explain", "--conversation", 9, CAPTURE)
    assert run.code == 2
    assert "there is no conversation 9" in run.err


def test_standard_output_may_be_closed() -> None:
    command = f'exec "{sys.executable}" -m sniffkit explain "{CAPTURE}" >&-'
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_standard_output_that_is_full_is_not_called_standard_input(capsys: pytest.CaptureFixture[str]) -> None:
    from sniffkit.commands.complaint import complain
    from sniffkit.errors import DamagedCapture

    complain(DamagedCapture("live.write-failed", file="-", reason="No space left on device"), ["--lang", "en"])
    assert "writing standard output failed" in capsys.readouterr().err


def test_help_before_a_command_lists_every_command(sniffkit: Callable[..., Any]) -> None:
    every = sniffkit("--help", debug=False).out
    assert "explain" in every
    assert sniffkit("--help", "flows", debug=False).out == every


@pytest.mark.parametrize("arguments", [("--lang", "zh", "--help"), ("--help", "--lang", "zh"), ("--lang=zh",)])
def test_the_language_may_stand_before_the_command(sniffkit: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    """Help is Chinese to the last line, Typer's own options too."""
    run = sniffkit(*arguments, debug=False)
    assert run.code == 0
    assert "显示当前 shell 的补全脚本" in run.out
    assert "completion for the current shell" not in run.out


@pytest.mark.parametrize("command", ["", "explain", "flows", "fields", "dns", "arp", "resolve", "live", "interfaces"])
def test_a_help_page_in_chinese_fits_the_terminal(
    sniffkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A Chinese character takes two cells of the 80 there are, and no line begins with a full stop."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = sniffkit("--lang", "zh", *command.split(), "--help", debug=False).out.splitlines()
    assert [line for line in lines if cells(line) > 80] == []
    assert [line for line in lines if line.strip()[:1] in ("。", "，", "）")] == []
    assert max(cells(line) for line in lines) > 60, "lines are filled"
    assert any(line.endswith("显示本帮助后退出。") for line in lines)


def test_the_language_before_a_command_is_that_commands(sniffkit: Callable[..., Any]) -> None:
    sample = Path(__file__).parents[2] / "captures" / "arp-ping.pcap"
    assert "谁认识谁" in sniffkit("--lang", "zh", "arp", sample).out
