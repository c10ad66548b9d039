"""What a member of an event may hold: each check takes the parsed JSON value and gives what is
stored, or raises Fault with the reason of the dead letter."""

import re
import sys

from . import instants
from .json_text import Number

sys.set_int_max_str_digits(0)


class Fault(Exception):
    """`reasons`: every reason of a dead letter that fits."""

    def __init__(self, *reasons):
        super().__init__(*reasons)
        self.reasons = set(reasons)


_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", re.ASCII)
_PLAIN = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

EARLIEST = instants.parse("2000-01-01T00:00:00Z")


def text(value):
    """Any text that PostgreSQL can hold; gives it and its length in bytes."""
    if type(value) is not str:
        raise Fault("ill_typed")
    if value.isascii():
        length = len(value)
    else:
        try:
            length = len(value.encode("utf-8"))
        except UnicodeEncodeError:
            raise Fault("lone_surrogate") from None
    if "\0" in value:
        raise Fault("nul_character")
    return value, length


def any_text(value):
    return text(value)[0]


def text_of(shortest, longest):
    def check(value):
        value, length = text(value)
        if not shortest <= length <= longest:
            raise Fault("out_of_range")
        return value

    return check


def matching(pattern):
    compiled = re.compile(pattern, re.ASCII)

    def check(value):
        value, _ = text(value)
        if compiled.fullmatch(value) is None:
            raise Fault("out_of_range")
        return value

    return check


def one_of(names):
    """`names` may change while it is in use (countries, payment methods)."""

    def check(value):
        value, _ = text(value)
        if value not in names:
            raise Fault("out_of_range")
        return value

    return check


def uuid(value):
    """Lower case, so that order of texts is order of UUIDs."""
    value, _ = text(value)
    if _UUID.fullmatch(value) is None:
        raise Fault("out_of_range")
    return value.lower()


def timestamp(latest):
    """`latest()` is the clock plus max_future, in microseconds."""

    def check(value):
        value, _ = text(value)
        instant = instants.parse(value)
        if instant is None:
            # Of the year 0 one may also say that it is too early.
            reasons = ["out_of_range"] if value.startswith("0000-") else []
            raise Fault("bad_timestamp", *reasons)
        if instant < EARLIEST:
            raise Fault("out_of_range")
        if instant > latest():
            raise Fault("future_timestamp")
        return instant

    return check


def boolean(value):
    if value is not True and value is not False:
        raise Fault("ill_typed")
    return value


def integer(least, greatest):
    def check(value):
        if type(value) is not Number or _INTEGER.fullmatch(value) is None:
            raise Fault("ill_typed")
        number = int(value)
        if not least <= number <= greatest:
            raise Fault("out_of_range")
        return number

    return check


count = integer(0, 2**31 - 1)


def decimal(places, greatest):
    """A number from 0 to `greatest`, as an integer of 10^-places, rounded half away from zero.
    The range is that of the number as it arrived."""
    unit = 10**places

    def check(value):
        if type(value) is not Number:
            raise Fault("ill_typed")
        plain = _PLAIN.fullmatch(value) if places == 2 else None
        if plain is not None:  # by far the most: 12 or 12.34
            whole, fraction = plain.groups()
            stored = int(whole) * 100 + (int(fraction.ljust(2, "0")) if fraction else 0)
            if stored > greatest * 100:
                raise Fault("out_of_range")
            return stored
        sign, whole, fraction, exponent = _DECIMAL.fullmatch(value).groups()
        fraction = fraction or ""
        digits = int(whole + fraction)
        if digits == 0:
            return 0
        if sign:
            raise Fault("out_of_range")
        power = int(exponent or 0) - len(fraction)  # value = digits * 10^power
        magnitude = len(str(digits)) + power
        if magnitude > 12:
            raise Fault("out_of_range")
        if magnitude < -12:
            return 0
        if power >= 0:
            scaled, divisor = digits * 10**power, 1
        else:
            scaled, divisor = digits, 10**-power
        if scaled > greatest * divisor:
            raise Fault("out_of_range")
        return (2 * scaled * unit + divisor) // (2 * divisor)

    return check


def money(greatest):
    return decimal(2, greatest)


def array_of(check_element):
    def check(value):
        if type(value) is not list:
            raise Fault("ill_typed")
        return [check_element(element) for element in value]

    return check
