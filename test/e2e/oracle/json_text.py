"""JSON as RFC 8259 has it, with nothing lost: members in order with their repetitions, numbers as
they were written."""

import json
import re

DEEPEST = 32
LARGEST = 65_536


class Number(str):
    """A number as its text."""

    __slots__ = ()


class Members(list):
    """An object: its (name, value) pairs in order, repetitions included."""

    __slots__ = ()


def _refuse(_):
    raise ValueError("not JSON")  # NaN, Infinity, -Infinity


_decoder = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=_refuse
)
_string = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class NotJson(Exception):
    """`reasons`: every reason of a dead letter that fits."""

    def __init__(self, *reasons):
        super().__init__(*reasons)
        self.reasons = set(reasons)


def parse(value):
    """bytes -> Members, list, str, Number, bool or None; raises NotJson."""
    reasons = {"too_large"} if len(value) > LARGEST else set()
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise NotJson("invalid_utf8", "invalid_json", *reasons) from None
    if value.startswith(b"\xef\xbb\xbf"):
        raise NotJson("invalid_utf8", "invalid_json", *reasons)  # a byte order mark
    if value.count(b"[") + value.count(b"{") > DEEPEST and _depth(text) > DEEPEST:
        reasons.add("too_deep")
    try:
        parsed = _decoder.decode(text)
    except RecursionError:
        raise NotJson("too_deep", *reasons) from None
    except ValueError:
        raise NotJson("invalid_json", *reasons) from None
    if reasons:
        raise NotJson(*reasons)
    return parsed


def _depth(text):
    deepest = depth = 0
    for character in _string.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
