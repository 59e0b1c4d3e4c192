"""What the pictures of the pages have in common: fonts, colours for light and for dark pages, and the frame."""

from xml.sax.saxutils import escape

WIDTH = 860
SANS = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
# Class: colours on a light page, on a dark one. A name that begins with t is of text, others are of areas with an edge.
COLORS = {
    "t": ("#1f2328", "#e6edf3"),
    "t2": ("#59636e", "#9198a1"),
    "t-green": ("#116329", "#56d364"),
    "t-red": ("#a40e26", "#ff8b84"),
    "t-yellow": ("#7d4e00", "#e3b341"),
    "t-cyan": ("#0a6c78", "#56d4dd"),
    "grey": ("#eaeef2 #afb8c1", "#262c36 #565d68"),
    "blue": ("#ddf4ff #218bff", "#12345a #388bfd"),
    "green": ("#dafbe1 #2da44e", "#12381f #2ea043"),
    "red": ("#ffebe9 #cf222e", "#4a1a1d #f85149"),
    "orange": ("#fff1e5 #e16f24", "#4a2a10 #db6d28"),
    "window": ("#f6f8fa #d1d9e0", "#151b23 #3d444d"),
}
LINE = ("#59636e", "#9198a1")


def style(font: str, size: int) -> str:
    """Only plain rules, which every program that shows SVG knows."""

    def rules(at: int) -> str:
        text = []
        for name, colors in COLORS.items():
            fill, *edge = colors[at].split()
            text.append(f".{name}{{fill:{fill}{f';stroke:{edge[0]}' if edge else ''}}}")
        return "".join([*text, f".line{{stroke:{LINE[at]};fill:none}}.head{{fill:{LINE[at]}}}"])

    return (
        f"<style>text{{font-family:{font};font-size:{size}px}}.b{{font-weight:600}}text.s{{font-size:{size - 1}px}}{rules(0)}"
        f"@media (prefers-color-scheme:dark){{{rules(1)}}}</style>"
    )


def svg(height: int, title: str, description: str, css: str, shapes: list[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            css,
            *shapes,
            "</svg>\n",
        ]
    )
