"""Output for a person: colours and elapsed time on a terminal, plain lines elsewhere."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

RED, GREEN, YELLOW, BOLD, DIM = "31", "32", "33", "1", "2"
# Without a terminal a long silence is broken so often, in seconds.
SIGN_OF_LIFE = 60


class Terminal:
    def __init__(
        self,
        out: TextIO | None = None,
        keyboard: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.out = out or sys.stdout
        self.keyboard = keyboard or sys.stdin
        self.now = now
        self.is_terminal = self.out.isatty()
        self.has_colours = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.has_progress_line = False
        self.spoke_at = now()

    def say(self, text: str = "", style: str | None = None) -> None:
        self.clear()
        self.out.write(self.styled(text, style) + "\n")
        self.out.flush()
        self.spoke_at = self.now()

    def styled(self, text: str, style: str | None) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.has_colours and style else text

    def progress(self, text: str) -> None:
        """A line that the next one replaces."""
        if self.is_terminal and os.environ.get("TERM") != "dumb":
            # A line that wraps could not be taken back.
            shown = text[: shutil.get_terminal_size().columns - 1]
            self.out.write(f"\r\x1b[K{self.styled(shown, DIM)}")
            self.out.flush()
            self.has_progress_line = True
        elif self.now() - self.spoke_at >= SIGN_OF_LIFE:
            self.say(text)

    def clear(self) -> None:
        if self.has_progress_line:
            self.out.write("\r\x1b[K")
            self.has_progress_line = False

    def can_ask(self) -> bool:
        return self.keyboard.isatty() and self.is_terminal

    def ask(self, question: str) -> bool:
        """Only a yes is one."""
        self.clear()
        self.out.write(f"{self.styled(question, BOLD)} [y/N] ")
        self.out.flush()
        return self.keyboard.readline().strip().lower() in ("y", "yes")


def lasted(seconds: float) -> str:
    """`3 min 20 s`."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
