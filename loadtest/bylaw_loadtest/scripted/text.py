"""The scripted model's words, and the ways to cut them."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from itertools import cycle

_TEXT = """
the a of and to in is that it for on with as was are this by from have or one had not but what all were when
there can an your which their said if do will each about how up out them then she many some so these would
other into has more her two like him see time could no than first been its who now people my made over
"""
_WORDS = _TEXT.split()
# A word keeps the blanks before it, as the tokens of real models do.
_PIECES = re.compile(r"\s*\S+|\s+$")


@lru_cache(maxsize=64)
def generated(words: int, seed: int) -> str:
    """`words` words, the same for the same seed."""
    return " ".join(random.Random(seed).choices(_WORDS, k=words))


def cut(text: str, chunks: str | tuple[int, ...]) -> list[str]:
    """Cut text by `word`, by `char`, or by sizes in characters used in turn; joined again it is `text`."""
    if isinstance(chunks, str):
        return list(text) if chunks == "char" else _PIECES.findall(text)
    pieces, at, sizes = [], 0, cycle(chunks)
    while at < len(text):
        size = next(sizes)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def cut_arguments(arguments: str, chunks: str | tuple[int, ...]) -> list[str]:
    """Cut a tool call's JSON; it has few blanks, so cut by words it would arrive whole and test nothing."""
    return cut(arguments, (5, 3, 7) if chunks == "word" else chunks)
