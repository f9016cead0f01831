"""Tables as Markdown, printed or put into README.md."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent / "README.md"


def table(head, rows):
    """The first column is text, the others are numbers."""
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths))]
        lines.append(f"| {' | '.join(cells)} |")
    lines.insert(1, "|" + "|".join("-" * (w + 2) if n == 0 else "-" * (w + 1) + ":" for n, w in enumerate(widths)) + "|")
    return "\n".join(lines) + "\n"


def number(value, digits=0):
    # What rounds to nothing has no sign.
    return "-" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}"


def write(name, text):
    """Replaces what README.md has between the marks of that name."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    old = README.read_text()
    if not marks.search(old):
        raise SystemExit(f"README.md has no marks for {name}")
    README.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", old))
