"""Amounts of memory, CPU and time, as people write them and as the engine counts them."""

from __future__ import annotations

import math
import re

_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)", re.IGNORECASE)
_CPU = re.compile(r"(\d+(?:\.\d+)?)(m?)")
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)
NANO = 10**9


def parse_memory(text: str) -> int:
    """Return the bytes that `text` means.

    `64m` and `64Mi` are 64 x 2^20, as Docker counts them; so is `64MB`. A number without unit is bytes.

    Raises:
        ValueError: `text` is not an amount of memory.
    """
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not an amount of memory such as 64Mi or 64m")
    number, unit, _ = match.groups()
    return int(float(number) * _BINARY[unit.lower()])


def parse_cpu(text: str) -> int:
    """Return the billionths of a CPU that `text` means: `100m` is a tenth of one CPU, `1.5` one and a half.

    Raises:
        ValueError: `text` is not an amount of CPU.
    """
    match = _CPU.fullmatch(text.strip())
    if not match:
        raise ValueError(f"'{text}' is not an amount of CPU such as 100m or 0.5")
    number, milli = match.groups()
    return round(float(number) * (NANO // 1000 if milli else NANO))


def parse_seconds(text: str) -> int:
    """Return the whole seconds that `text` means, at least one: `90`, `90s`, `1m30s` and `1h` as Go writes them.

    Raises:
        ValueError: `text` is not a duration.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return max(1, int(text))
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise ValueError(f"'{text}' is not a duration such as 90s or 5m")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return max(1, math.ceil(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000))


def format_memory(count: int) -> str:
    """Return `count` bytes in the largest binary unit that divides them."""
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def format_cpu(nano: int) -> str:
    """Return `nano` billionths of a CPU in thousandths, or as a number when that is exact."""
    milli, rest = divmod(nano, NANO // 1000)
    if rest:
        return f"{nano / NANO:.9f}".rstrip("0")
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
