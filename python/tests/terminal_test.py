"""The terminal: lines that are replaced, and signs of life where nothing can be."""

import unittest
from unittest import mock

from aws import Screen
from ecs_tasks.terminal import Terminal, lasted


class Progress(unittest.TestCase):
    def setUp(self) -> None:
        self.time = 0.0

    def terminal(self, is_terminal: bool) -> tuple[Terminal, Screen]:
        screen = Screen(is_terminal)
        return Terminal(screen, now=lambda: self.time), screen

    def test_a_terminal_replaces_the_line_and_the_next_text_takes_its_place(self):
        terminal, screen = self.terminal(True)
        with mock.patch.dict("os.environ", {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "10"}):
            terminal = Terminal(screen, now=lambda: self.time)
            terminal.progress("working, 1 s and more")
            terminal.say("done")
        self.assertEqual(screen.getvalue(), "\r\x1b[Kworking, \r\x1b[Kdone\n")

    def test_a_log_gets_a_line_a_minute(self):
        terminal, screen = self.terminal(False)
        for second in range(0, 150, 3):
            self.time = float(second)
            terminal.progress(f"still working, {second} s")
        self.assertEqual(screen.getvalue(), "still working, 60 s\nstill working, 120 s\n")

    def test_a_dumb_terminal_gets_no_escapes(self):
        with mock.patch.dict("os.environ", {"TERM": "dumb"}):
            terminal, screen = self.terminal(True)
            terminal.progress("working")
            terminal.say("done", "31")
        self.assertEqual(screen.getvalue(), "done\n")

    def test_times_read_as_people_say_them(self):
        self.assertEqual([lasted(one) for one in (0, 59.9, 60, 3725)], ["0 s", "59 s", "1 min 0 s", "62 min 5 s"])


if __name__ == "__main__":
    unittest.main()
