"""Tables in Markdown."""


def render(title, columns, rows, notes=()):
    """Lines of a table. Cells are texts already."""
    lines = [f"### {title}", "", _row(columns), _row(["---"] * len(columns))]
    lines += [_row(cells) for cells in rows]
    lines += ["", *(f"* {note}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def number(value, form="{:,.0f}", scale=1.0):
    """A cell of a number; a dash when there is none."""
    return "-" if value is None else form.format(value * scale)


def ratio(value, reference):
    """A cell that says how many times the reference a value is."""
    return "-" if value is None or not reference else f"{value / reference:.2f}x"


def verdict(value, goal, at_most=True):
    """A cell that says whether a goal is met."""
    if value is None:
        return "not measured"
    met = value <= goal if at_most else value >= goal
    return "met" if met else "MISSED"
