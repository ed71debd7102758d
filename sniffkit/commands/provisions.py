"""Loads everything a run may need later, while it may still read it.

A program that becomes another user in the middle can find its own files out of reach: an installation in root's home,
a folder with mode 0700. So before rights are given up, every module and text that a packet could call for is loaded.
"""

from __future__ import annotations

import contextlib
import pkgutil
from importlib import import_module

ROOMS = ("protocols", "analysis", "explanations", "renderers")
LOADED_BY_NAME = ("dns.rdtypes.ANY", "dns.rdtypes.IN", "dns.rdtypes.CH")
"""Packages whose modules are loaded one by one when a packet first calls for them."""
FOUND_LATE = ("encodings.idna", "encodings.utf_8", "rich.live", "rich.table", "sniffkit.commands.complaint")


def load_everything() -> None:
    """Load modules, texts and tables; takes half a second."""
    from sniffkit.explanations.catalogue import all_stems, read_texts

    for room in ROOMS:
        _load_package(f"sniffkit.{room}")
    for package in LOADED_BY_NAME:
        with contextlib.suppress(ImportError):
            _load_package(package)
    for module in FOUND_LATE:
        import_module(module)
    from sniffkit.protocols import beyond

    for space in (*beyond.READ_BY_SCAPY.values(), beyond.LINKS):
        for module, name in space.values():
            beyond.load(module, name)
    beyond.vendors()
    for stem in all_stems():
        read_texts(stem)


def _load_package(name: str) -> None:
    package = import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        with contextlib.suppress(ImportError):  # some need a package that is optional
            import_module(module.name)
