"""Checks that the pages are easy to read: short sentences, small cells, and the words of ARCHITECTURE.md's glossary.

    prose.py PAGE.md…

Code does not count: a span of it is one word, and a block of it is left out. KNOWN lists what is still wrong on pages that
are generated, where the text comes from a source. An entry that is no longer wrong is an error, so the list only shrinks.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
KNOWN = Path(__file__).with_name("prose-known.txt")

SENTENCE_WORDS = 40
CELL_SENTENCES = 2
# How many words a whole page may have: a front page is read in one go.
PAGE_WORDS = {"README.md": 1500}

# Verbs that meant something to the authors alone, and plain ones.
WORDS = {
    r"judge[sd]?|judging": "decide, check, verdict",
    r"told": "ask, report, say",
    r"kept": "save, store, stay",
    r"due(?! to)": "next, waiting, at its time",
    r"beats?": "write the heartbeat",
    r"(?:is|are|was|were|nearly) over": "end, pass",
    r"taken": "use, accept, remove, run",
    r"(?:put|puts|putting) off": "retry later",
    r"(?:give|gives|gave|given|giving) up": "fail",
    r"(?:go|goes|went|gone|going) on": "continue, resume, happen again",
}
FORBIDDEN = [(re.compile(rf"(?<![\w-])(?:{word})(?![\w-])", re.IGNORECASE), instead) for word, instead in WORDS.items()]

# Without brackets, quotes and stars that close with the sentence.
END = re.compile(r"""(?<=[.!?])[)"'”’*]*\s+""")
CODE = "`code`"


class Finding(NamedTuple):
    """A mistake: where, which, and the text, by whose beginning KNOWN names it."""

    page: str
    line: int
    rule: str
    text: str

    @property
    def known_as(self) -> str:
        return f"{self.page} | {self.rule.split(' (')[0]} | {' '.join(self.text.split()[:10])}"


def words(text: str) -> int:
    """How many words a text has; a dash or an arrow is none."""
    return sum(any(letter.isalnum() for letter in word) for word in text.split())


def sentences(text: str) -> list[str]:
    return [sentence for sentence in END.split(text.strip()) if sentence]


def shown(inline: Token) -> str:
    """The text of a paragraph or a cell as a reader sees it."""
    text, in_html_code = "", False
    for token in inline.children or []:
        if token.type == "html_inline":
            if re.match(r"<br\b", token.content):
                text += " "
            if token.content in ("<code>", "</code>"):
                in_html_code = token.content == "<code>"
                text += CODE if in_html_code else ""
        elif in_html_code:
            continue
        elif token.type == "code_inline":
            text += CODE
        elif token.type in ("softbreak", "hardbreak"):
            text += " "
        else:
            text += token.content
    return text


def checked(page: str, markdown: str) -> Iterator[Finding]:
    """The mistakes of a page."""
    limit = PAGE_WORDS.get(page)
    if limit and (count := len(markdown.split())) > limit:
        yield Finding(page, 1, f"page over {limit} words", f"{count} words")
    in_cell, line = False, 1
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        line = token.map[0] + 1 if token.map else line
        if token.type in ("td_open", "th_open", "td_close", "th_close"):
            in_cell = token.nesting == 1
        if token.type != "inline":
            continue
        text = shown(token)
        said = sentences(text)
        if in_cell and len(said) > CELL_SENTENCES:
            yield Finding(page, line, f"cell of over {CELL_SENTENCES} sentences", text)
        for sentence in said:
            if not in_cell and words(sentence) > SENTENCE_WORDS:
                yield Finding(page, line, f"sentence over {SENTENCE_WORDS} words", sentence)
            for word, instead in FORBIDDEN:
                if found := word.search(sentence):
                    yield Finding(page, line, f'"{found[0].lower()}" ({instead})', sentence)


def report(findings: list[Finding], known: list[str]) -> list[str]:
    """A line for each finding that is not known, and for each known one that is none any more."""
    found = {finding.known_as for finding in findings}
    lines = [f"{f.page}:{f.line}: {f.rule}: {f.text}" for f in findings if f.known_as not in known]
    return lines + [f"{KNOWN.name}: no longer wrong, remove it: {one}" for one in known if one not in found]


def main(pages: list[str]) -> int:
    if not pages:
        print(__doc__, file=sys.stderr)
        return 2
    findings = [finding for page in pages for finding in checked(page, (ROOT / page).read_text(encoding="utf-8"))]
    known = KNOWN.read_text(encoding="utf-8").splitlines()
    problems = report(findings, known)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"=> Prose: {len(pages)} pages, {len(problems)} problems, {len(known)} known on generated pages")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
