"""prose.py: what it counts as a word, a sentence and a cell, and that what is known can only shrink."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import prose

LONG = " ".join(["word"] * prose.SENTENCE_WORDS)


class Prose(unittest.TestCase):
    def found(self, markdown, page="page.md"):
        return [(finding.line, finding.rule.split(" (")[0]) for finding in prose.checked(page, markdown)]

    def test_a_sentence_may_have_40_words(self):
        over = "sentence over 40 words"
        self.assertEqual(self.found(f"{LONG}."), [])
        self.assertEqual(self.found(f"# Title\n\n{LONG}\nmore."), [(3, over)])
        self.assertEqual(self.found(f"- {LONG} more\n"), [(1, over)])
        self.assertEqual(self.found(f"> **Bold.** {LONG} [more](x.md)."), [(1, over)])

    def test_a_sentence_ends_at_its_mark_whatever_follows(self):
        half = " ".join(["word"] * 30)
        for end in [". ", ".\n", "? ", '." ', ".) ", ".** ", "\n\n", "\n- "]:
            self.assertEqual(self.found(f"{half}{end}`code` {half}"), [], end)
        for middle in [": ", "; ", " v1.2 ", " – "]:
            self.assertEqual(len(self.found(f"{half}{middle}{half}")), 1, middle)

    def test_code_is_one_word_and_a_block_none(self):
        self.assertEqual(self.found(f"{LONG[5:]} `{LONG}. {LONG}`."), [])
        self.assertEqual(self.found(f"{LONG[5:]} <code>{LONG}</code>."), [])
        self.assertEqual(self.found(f"```text\n{LONG} more told\n```\n\n    {LONG} more\n\n<!-- {LONG} more -->\n"), [])

    def test_a_cell_has_two_sentences_of_any_length(self):
        table = "| A | B |\n| --- | --- |\n| {} | x |\n"
        self.assertEqual(self.found(table.format(f"One. Two {LONG} more.")), [])
        self.assertEqual(self.found(table.format("One. Two. Three.")), [(3, "cell of over 2 sentences")])

    def test_words_of_the_authors_alone_are_found_as_words(self):
        self.assertEqual(self.found("It is\nover, and was *told* so."), [(1, '"told"'), (1, '"is over"')])
        self.assertEqual(self.found("| A |\n| --- |\n| It goes on. |\n"), [(3, '"goes on"')])
        self.assertEqual(self.found("Over two minutes due to [port-taken](x.md), untold, `kept`."), [])

    def test_the_front_page_has_a_limit_of_its_own(self):
        page = "one two. " * 751
        self.assertEqual(self.found(page, "README.md"), [(1, "page over 1500 words")])
        self.assertEqual(self.found(page, "docs/other.md"), [])

    def test_what_is_known_is_not_reported_again_and_must_go_once_it_is_mended(self):
        [finding] = prose.checked("page.md", f"{LONG} more.")
        self.assertIn("page.md:1: sentence over 40 words", prose.report([finding], [])[0])
        self.assertEqual(prose.report([finding], [finding.known_as]), [])
        self.assertIn("no longer wrong", prose.report([], [finding.known_as])[0])


if __name__ == "__main__":
    unittest.main()
