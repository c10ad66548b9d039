"""Recordings of generated events: files of the generator, put into topics, and the oracle's view."""

import subprocess

from oracle import instants, recording
from oracle.intake import ACCEPTED, Oracle

from . import traffic
from .processes import PROJECT
from .small_shop import SmallShop

GENERATOR = PROJECT / "build/bin/globalmart-generate"
START = instants.parse("2026-11-20T22:30:00Z")  # so that a midnight is among the events
CLOCK = instants.parse("2026-11-23T00:00:00Z")
RATE = 20  # shop events a second of event time
SMALL_RATE = 3  # of the small shop's
DISORDER = 50 * instants.SECOND  # below every lateness


class Recording:
    """`topics`: where the messages are; `until`: every window that ends by then gets closed."""

    def __init__(self, topics, last):
        self.topics = topics
        self.clock = CLOCK
        self.until = last
        self.oracle = Oracle(CLOCK, topics.partitions)
        self.accepted = [
            message for message in topics.messages if self.oracle.take(message) == ACCEPTED
        ]
        self._time_of = {}
        for events in self.oracle.events.values():
            for event in events:
                self._time_of[event.topic, event.partition, event.offset] = event.time

    def furthest_before(self):
        """{place: the greatest event time of accepted messages before it in its partition}."""
        furthest, before = {}, {}
        for message in self.topics.messages:
            partition = message[:2]
            before[message[:3]] = furthest.get(partition, -(2**62))
            time = self._time_of.get(message[:3])
            if time is not None:
                furthest[partition] = max(time, before[message[:3]])
        return before


def fill(topics, folder, seed, count, late, order):
    """Puts generated events into the topics in this order of arrival, and after them one event in
    each partition that closes everything. Few events are of the small shop, where groups and ties
    are frequent; many are of the product's generator."""
    made = small_shop(seed, count, late) if count < 50_000 else generator(folder, seed, count, late)
    made = {topic: traffic.ORDERS[order](pairs, seed) for topic, pairs in made.items()}
    topics.put_topics(made, START)
    times = (traffic.event_time(value) for pairs in made.values() for _, value in pairs)
    last = max(time for time in times if time is not None and time < CLOCK)
    topics.put_sentinels(last + 6 * instants.HOUR)
    return Recording(topics, last + 2 * instants.HOUR)


def small_shop(seed, count, late):
    span = count * instants.SECOND // SMALL_RATE
    shop = SmallShop(seed, count, START, span, users=max(40, count // 700))
    return shop.messages(
        disorder=DISORDER,
        late=0.01 if late else 0,
        most_late=40 * instants.MINUTE,
        duplicates=0.01,
        corrupt=0.01,
    )


def generator(folder, seed, count, late):
    """The generator's files, in order of arrival."""
    out = folder / f"generated-{seed}-{count}-{late}"
    if not out.exists():
        out.mkdir()
        options = {
            "--out": out,
            "--seed": seed,
            "--count": count * 95 // 100,  # inventory events come on top
            "--start": instants.show(START),
            "--event-rate": RATE,
            "--users": 1_000,
            "--products": 100,
            "--disorder": DISORDER // instants.SECOND,
            "--late": 0.01 if late else 0,
            "--late-by": 1_200,
            "--duplicates": 0.01,
            "--corrupt": 0.01,
        }
        arguments = [str(part) for option in options.items() for part in option]
        subprocess.run([GENERATOR, "--quiet", "--flat-day", *arguments], check=True)
    return recording.read_topics(out)
