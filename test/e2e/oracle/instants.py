"""Instants are integers: microseconds since 1970-01-01T00:00:00Z."""

import datetime
import re

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_days = {}  # (year, month, day) as text -> microseconds; few days, many events


def parse(text):
    """The instant that a timestamp of the event contract names, or None when it is none."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    start = _start_of_day(year, month, day)
    hour, minute, second = int(hour), int(minute), int(second)
    if start is None or hour > 23 or minute > 59 or second > 59:
        return None
    instant = start + (hour * 3600 + minute * 60 + second) * SECOND
    if fraction:
        instant += int(fraction.ljust(6, "0"))
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 15 or minutes > 59:
            return None
        shift = (hours * 60 + minutes) * MINUTE
        instant += shift if zone[0] == "-" else -shift
    return instant


def _start_of_day(year, month, day):
    key = (year, month, day)
    if key not in _days:
        try:
            date = datetime.date(int(year), int(month), int(day))
        except ValueError:
            _days[key] = None
        else:
            _days[key] = (date.toordinal() - _EPOCH_ORDINAL) * DAY
    return _days[key]


def show(instant):
    """As the cases write it: UTC, six digits, Z."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=instant)
    return moment.isoformat(timespec="microseconds") + "Z"


def window_start(instant, width):
    """The start of the tumbling window of this width that holds the instant."""
    return instant - instant % width
