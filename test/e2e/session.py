"""One run of the whole path: topics, bridge, database, and the oracle beside them."""

import itertools

from harness import tables, traffic
from harness.bridge import Bridge
from oracle import contract, instants
from oracle.intake import Message, Oracle

_numbers = itertools.count(1)


class Topics:
    """Topics in the broker under names of their own, with what was put into them."""

    def __init__(self, broker, partitions):
        self.broker = broker
        self.partitions = partitions
        suffix = f"-{next(_numbers)}"
        self.names = {topic: topic + suffix for topic in traffic.SETTING_OF_TOPIC}
        self.alerts = "alerts-topic" + suffix
        self.messages = []
        self._ends = {}
        broker.create_topics([*self.names.values(), self.alerts], partitions)

    def put(self, messages):
        """Produces Messages, whose partitions and offsets are given already."""
        messages = list(messages)
        for message in messages:
            place = message[:2]
            assert message.offset == self._ends.get(place, 0), f"offset of {message}"
            self._ends[place] = message.offset + 1
        self.broker.produce(
            (self.names[m.topic], m.partition, m.key, m.value, m.time // 1000) for m in messages
        )
        self.messages += messages

    def put_topics(self, topics, time):
        self.put(traffic.messages(topics, self.partitions, time))

    def put_sentinels(self, instant):
        """An event in every partition of every event topic, long after all others."""
        made = []
        for topic, make in traffic.sentinels(instant).items():
            for partition in range(self.partitions):
                key, value = make(partition)
                offset = self._ends.get((topic, partition), 0)
                made.append(Message(topic, partition, offset, key, value, instant))
        self.put(made)

    def count(self):
        return len(self.messages)


class Shop:
    def __init__(self, broker, database, folder):
        self.broker = broker
        self.database = database
        self.folder = folder
        self.topics = None
        self.bridge = None

    def set_up(self, topics, clock, only=None, **settings):
        """A bridge for these topics. `clock` in microseconds, None for the real one; `only`: the
        topics that the profile has, by default all; `settings` with __ for the dot."""
        self.topics = topics
        self.clock = clock
        names = {
            f"kafka.topics.{setting}": topics.names[topic]
            for topic, setting in traffic.SETTING_OF_TOPIC.items()
            if only is None or topic in only
        }
        names["kafka.topics.alerts"] = topics.alerts
        fixed_clock = {}
        if clock is not None:
            self.database.set_clock(clock)
            fixed_clock["bridge.clock"] = instants.show(clock)
        self.bridge = Bridge(
            self.folder,
            {
                "kafka.bootstrap_servers": self.broker.bootstrap,
                "kafka.group_id": f"test-{next(_numbers)}",
                **names,
                "postgres.dsn": self.database.dsn("bridge"),
                "http.listen": "off",
                **fixed_clock,
                **{name.replace("__", "."): value for name, value in settings.items()},
            },
        )
        return self.bridge

    def oracle(self):
        """What the specification makes of everything that was put into the topics."""
        oracle = Oracle(self.clock, self.topics.partitions)
        oracle.take_all(self.topics.messages)
        return oracle

    def differences(self, oracle, until, **more):
        return tables.differences(self.database, oracle, until, **more)

    def check(self, oracle, until, **more):
        """All tables, dead letters and counts; `late` as in tables.differences."""
        found = self.differences(oracle, until, **more)
        assert not found, tables.explain(found)
        self.check_dead_letters(oracle)
        self.check_counts(oracle)

    def check_dead_letters(self, oracle):
        """Each is there once, whole, and for a reason that fits."""
        of_name = {name: topic for topic, name in self.topics.names.items()}
        stored = {
            (of_name.get(topic, topic), *rest): (reason, key and bytes(key), value and bytes(value))
            for topic, *rest, reason, key, value in self.database.rows(
                "SELECT topic, kafka_partition, kafka_offset, reason, key, value FROM globalmart.dead_letters"
            )
        }
        sent = {message[:3]: (message.key, message.value) for message in self.topics.messages}

        def show(places):
            return [(place, stored.get(place), oracle.dead_letters.get(place), sent[place]) for place in sorted(places)[:5]]

        missing = oracle.dead_letters.keys() - stored.keys()
        assert not missing, f"{len(missing)} are missing: {show(missing)}"
        unexpected = stored.keys() - oracle.dead_letters.keys()
        assert not unexpected, f"{len(unexpected)} are unexpected: {show(unexpected)}"
        other = {place for place, (reason, *_) in stored.items() if reason not in oracle.dead_letters[place]}
        assert not other, f"{len(other)} have another reason: {show(other)}"
        changed = {place for place, (_, *message) in stored.items() if tuple(message) != sent[place]}
        assert not changed, f"{len(changed)} are not the messages that were sent: {show(changed)}"

    def check_counts(self, oracle):
        """What became of the messages, topic by topic, the catalogue's included; and rows = accepted."""
        counted = {
            topic: counts
            for topic, *counts in self.database.rows(
                "SELECT topic, sum(accepted), sum(dead_letters), sum(duplicates) FROM globalmart.kafka_offsets GROUP BY topic"
            )
        }
        for topic in self.topics.names:
            expected = [oracle.counts[topic][what] for what in ("accepted", "dead_letter", "duplicate")]
            assert counted.get(topic, [0, 0, 0]) == expected, f"{topic}: accepted, dead letters, duplicates"
        stored = {
            contract.TRANSACTIONS: "transactions",
            contract.CART: "cart_events",
            contract.VIEWS: "product_view_events",
            contract.INVENTORY: "inventory_events",
        }
        for topic, table in stored.items():
            rows = self.database.value(f"SELECT count(*) FROM globalmart.{table}")
            assert rows == oracle.counts[topic]["accepted"], f"{table}: {oracle.counts[topic]}"

    def end(self):
        if self.bridge is not None:
            self.bridge.stop()
