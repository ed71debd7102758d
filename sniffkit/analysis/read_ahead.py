"""Reading ahead: the next batches are made ready in a second thread while this one works on the batch before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")

PATIENCE_S = 0.5
"""How long a reader that stops early waits for the thread to stop too."""


def read_ahead(items: Iterable[Item], prepare: Callable[[Item], Ready], depth: int = 1) -> Generator[Ready, None, None]:
    """Yield ``prepare(item)`` of every item in order; at most ``depth`` wait to be taken.

    NumPy works without Python's lock most of the time, so the two threads use two processors. What is raised while
    reading is raised here; a reader that stops early stops the thread.
    """
    ready: queue.Queue[tuple[Ready | None, BaseException | None, bool]] = queue.Queue(depth)
    stopped = threading.Event()

    def hand_over(what: tuple[Ready | None, BaseException | None, bool]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(what, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for prepared in map(prepare, items):  # which keeps no item while the next one is made
                if not hand_over((prepared, None, False)):
                    return
            hand_over((None, None, True))
        except BaseException as error:
            hand_over((None, error, True))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            what, error, ended = ready.get()
            if error is not None:
                raise error
            if ended:
                return
            yield what  # type: ignore[misc]  # only the end has none
    finally:
        stopped.set()
        thread.join(PATIENCE_S)  # a pipe that pauses holds it for as long as it likes
