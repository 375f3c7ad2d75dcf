"""Numbers with units, as people read them. Bytes are powers of ten: 1 kB = 1000 B.

>>> format_bytes(1_750_000), format_seconds(0.00056), format_count(100_000)
('1.75 MB', '560 µs', '100 000')
"""

from mlsys_lib.core.validate import non_negative


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    """Write `value` in the largest unit that it fills once rounded to three digits."""
    rounded = float(f"{value:.3g}")
    size, unit = next((step for step in steps if rounded >= step[0]), steps[-1])
    number = rounded / size
    return f"{number:.0f} {unit}" if number >= 1000 else f"{number:.3g} {unit}"


def format_bytes(size_bytes: float) -> str:
    """Write a number of bytes with three significant digits."""
    value = non_negative("size_bytes", size_bytes)
    steps = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
    return _scaled(value, steps)


def format_seconds(duration_s: float) -> str:
    """Write a duration with three significant digits."""
    value = non_negative("duration_s", duration_s)
    return _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")))


def format_count(count: int) -> str:
    """Write a whole number with narrow groups of three digits."""
    return f"{count:,}".replace(",", " ")
