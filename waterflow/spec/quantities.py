"""Bytes and seconds, of which a spec is full, as people read them."""

from __future__ import annotations


def show_size(size: int) -> str:
    """Return bytes as people read them: 17179869184 -> "16 GiB"."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if number == int(number) else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def show_duration(seconds: float) -> str:
    """Return seconds as people read them: 0.42 -> "0.42s", 95 -> "1m35s"."""
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24}d{hours % 24:02d}h"
    return f"{hours}h{minutes:02d}m"


def show_money(dollars: float) -> str:
    """Return an amount in US dollars: 1.5 -> "$1.50", 0.0012 -> "$0.0012"."""
    return f"${dollars:.2f}" if dollars >= 0.01 or dollars == 0 else f"${dollars:.4f}"
