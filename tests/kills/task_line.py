"""The lines that the commands of tasks write."""


def line_of(number):
    """Enough to see what is cut or mixed."""
    return f"line {number} {'x' * (number % 50)}"
