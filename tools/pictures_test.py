"""pictures.py: the pictures in docs are what it draws, and nothing in them lies on something else."""

import itertools
import os
import sys
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parent))
import terminal
from terminal import Run
from timelines import BAR, DRAWN, LEFT, RIGHT, ROW, SIZE, width

DOCS = Path(__file__).parents[1] / "docs"
REHEARSE = os.environ.get("REHEARSE")
PRINTED = """\
20:16:25  CREATE_IN_PROGRESS                            Migrate
          \x1b[36mapp |\x1b[0m step 1: done
          … Migrate is CREATE_IN_PROGRESS for 3 s
20:16:30  \x1b[31mCREATE_FAILED                               \x1b[0m  Migrate                task/0a1b2c3d4e5f of 123456789012
20:16:31  \x1b[32mDELETE_COMPLETE                             \x1b[0m  Migrate
create FAILED, delete complete in 5.1 s; 2 invocations; called RunTask 1
"""


def apart(one, other):
    return one[1] <= other[0] or other[1] <= one[0]


class Timelines(unittest.TestCase):
    def test_those_in_docs_are_of_today(self):
        for name, timeline in DRAWN.items():
            picture = (DOCS / f"{name}.svg").read_text(encoding="utf-8")
            self.assertEqual(picture, timeline.draw(), "make pictures draws it anew")
            self.assertIn("@media (prefers-color-scheme:dark)", picture)
            ElementTree.fromstring(picture)

    def test_bars_hold_their_text_and_lie_side_by_side(self):
        for timeline in DRAWN.values():
            for bar in timeline.bars:
                self.assertLessEqual(LEFT, bar.left, bar)
                self.assertLessEqual(bar.right, RIGHT, bar)
                small = (SIZE - 1) / SIZE if bar.text.isupper() else 1
                self.assertLess(width(bar.text) * small, bar.right - bar.left - 8, bar)
            for one, other in itertools.combinations(timeline.bars, 2):
                if one.lane == other.lane:
                    self.assertTrue(apart((one.left, one.right), (other.left, other.right)), (one, other))
            for note in timeline.notes:
                half = width(note.text) / 2
                for bar in timeline.bars:
                    if bar.lane == note.lane:
                        self.assertTrue(apart((note.x - half, note.x + half), (bar.left, bar.right)), note)
            for name, below in timeline.lanes:
                self.assertLess(8 + max(width(name) * 1.05, width(below)), LEFT, name)

    def test_an_arrow_joins_two_bars_and_passes_none(self):
        for timeline in DRAWN.values():
            for arrow in timeline.arrows:
                at = {bar.lane for bar in timeline.bars if bar.left < arrow.x < bar.right}
                self.assertIn(arrow.source, at, arrow)
                self.assertIn(arrow.target, at, arrow)
                low, high = sorted((arrow.source, arrow.target))
                self.assertFalse(at & set(range(low + 1, high)), arrow)

    def test_the_text_of_an_arrow_meets_no_other_arrow_and_no_other_text(self):
        for timeline in DRAWN.values():
            texts = []
            for arrow in timeline.arrows:
                x, y = timeline.text_of(arrow)
                size = width(arrow.text)
                texts.append((arrow, y, (x, x + size) if arrow.anchor == "start" else (x - size, x)))
            for (arrow, y, text), (_, other_y, other) in itertools.combinations(texts, 2):
                self.assertTrue(y != other_y or apart(text, other), arrow)
            for arrow, y, text in texts:
                self.assertLessEqual(text[1], RIGHT, arrow)
                for other in timeline.arrows:
                    top, bottom = sorted((timeline.top(other.source), timeline.top(other.target)))
                    if other is not arrow and top + BAR < y < bottom + ROW - BAR:
                        self.assertFalse(text[0] - 4 < other.x < text[1] + 4, (arrow, other))


class Terminal(unittest.TestCase):
    def test_times_ids_and_counts_are_the_same_after_each_run(self):
        lines = terminal.normal(PRINTED)
        self.assertEqual(len(lines), 5)
        self.assertEqual([line[:8] for line in lines if line[2] == ":"], [terminal.STARTED, terminal.FAILED, terminal.FAILED])
        self.assertTrue(lines[2].endswith("task/7d12d4bfd762 of 123456789012"))
        self.assertEqual(lines[4], "create FAILED, delete complete in 4.7 s; …")

    def test_pieces_have_their_columns_and_colours(self):
        lines = PRINTED.splitlines()
        self.assertEqual(terminal.runs(lines[1]), [Run(10, "t-cyan", "app |"), Run(16, "t", "step 1: done")])
        pieces = terminal.runs(lines[3])
        self.assertEqual(pieces[:3], [Run(0, "t", "20:16:30"), Run(10, "t-red", "CREATE_FAILED"), Run(56, "t", "Migrate")])

    def test_long_lines_are_broken_between_words(self):
        long = [Run(10, "t", " ".join(["word"] * 60))]
        lines = terminal.wrapped(long)
        self.assertEqual(" ".join(piece.text for line in lines for piece in line), long[0].text)
        self.assertEqual([line[0].column for line in lines], [10, 0, 0])
        self.assertTrue(all(piece.column + len(piece.text) <= terminal.COLUMNS for line in lines for piece in line))
        self.assertEqual([len(line[0].text) for line in terminal.wrapped([Run(0, "t", "x" * 150)])], [104, 46])

    @unittest.skipUnless(REHEARSE, "make test says where the rehearsal is")
    def test_the_one_in_docs_is_what_the_rehearsal_prints(self):
        picture = (DOCS / "rehearsal.svg").read_text(encoding="utf-8")
        self.assertEqual(picture, terminal.draw(terminal.rehearsed(REHEARSE)), "make pictures draws it anew")
        ElementTree.fromstring(picture)


if __name__ == "__main__":
    unittest.main()
