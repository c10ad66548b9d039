"""Messages in order of arrival: accepted, dead letter or duplicate; which rollups an event is late
for; what the tables hold in the end."""

from collections import Counter, namedtuple

from . import rollups
from .contract import (
    CART,
    CATALOGUE_TOPICS,
    EVENT_TOPICS,
    INVENTORY,
    PRODUCTS,
    TRANSACTIONS,
    USERS,
    VIEWS,
    Contract,
    DeadLetter,
    Event,
)
from .rollups import DETECTORS, DOMAINS, ROLLUPS

# `time`: the message's Kafka timestamp in microseconds. `value` is None for a tombstone.
Message = namedtuple("Message", "topic partition offset key value time")

DOMAIN_OF_TOPIC = {TRANSACTIONS: "transactions", CART: "cart", VIEWS: "views", INVENTORY: "inventory"}
SOURCE_OF_TOPIC = {TRANSACTIONS: "orders", CART: "carts", VIEWS: "views", INVENTORY: "stock"}

ACCEPTED, DEAD_LETTER, DUPLICATE = "accepted", "dead_letter", "duplicate"


class Oracle:
    """`clock`: the product's clock, microseconds. `partitions`: how many each topic has, for the
    watermark, which is the least over them."""

    def __init__(self, clock, partitions=1):
        self.contract = Contract(clock)
        self.partitions = partitions
        self.counts = {topic: Counter() for topic in EVENT_TOPICS + CATALOGUE_TOPICS}
        self.dead_letters = {}  # (topic, partition, offset) -> reasons that fit
        self.duplicates = []  # (topic, partition, offset)
        self.events = {source: [] for source in DOMAINS}
        self.late = {rollup.name: {} for rollup in ROLLUPS}  # name -> {event id: event}
        self.closed_until = {}  # name of a rollup -> instant
        self.detected = {name: [] for name in DETECTORS}
        self._seen = {topic: set() for topic in EVENT_TOPICS}
        self._progress = {domain: {} for domain in DOMAIN_OF_TOPIC.values()}
        self._furthest_close = dict.fromkeys(DOMAIN_OF_TOPIC.values(), -(2**62))
        self._current = {topic: {} for topic in CATALOGUE_TOPICS}  # id -> (version, state)
        self._of_source = {source: [] for source in DOMAINS}
        for rollup in ROLLUPS:
            self._of_source[rollup.source].append(rollup)

    # --- one message ---

    def take(self, message):
        """ACCEPTED, DEAD_LETTER or DUPLICATE."""
        try:
            if message.topic in self._current:
                self._change_catalogue(message)
                outcome = ACCEPTED
            else:
                outcome = self._take_event(message)
        except DeadLetter as fault:
            self.dead_letters[message[:3]] = fault.reasons
            outcome = DEAD_LETTER
        self.counts[message.topic][outcome] += 1
        return outcome

    def take_all(self, messages):
        for message in messages:
            self.take(message)

    def _take_event(self, message):
        topic = message.topic
        event = self.contract.event(topic, message.value)
        seen = self._seen[topic]
        if event.id in seen:
            self.duplicates.append(message[:3])
            return DUPLICATE
        seen.add(event.id)
        event.partition, event.offset = message.partition, message.offset
        progress = self._progress[DOMAIN_OF_TOPIC[topic]]
        time = min(event.time, self.contract.clock)
        if time > progress.get(message.partition, -(2**62)):
            progress[message.partition] = time
        self.take_event(event)
        return ACCEPTED

    def take_event(self, event):
        """An accepted event into its sources, late or not (rows that came by SQL start here)."""
        source = SOURCE_OF_TOPIC[event.topic]
        self._add(source, event)
        if source != "orders":
            return
        self._detect("high_value_anomalies", event)
        for number, line in enumerate(event.lines, 1):
            item = Event()
            item.__dict__ = {
                "id": event.id,
                "time": event.time,
                "line_no": number,
                "product_id": line["product_id"],
                "quantity": line["quantity"],
                "price": line["price"],
                "user_id": event.user_id,
                "total_amount": event.total_amount,
                "payment_method": event.payment_method,
                "country": event.country,
                "topic": event.topic,
                "partition": event.partition,
                "offset": event.offset,
            }
            self._add("lines", item)
            self._detect("high_quantity_anomalies", item)

    def _add(self, source, event):
        self.events[source].append(event)
        if event.time >= self._furthest_close[DOMAINS[source]]:
            return
        for rollup in self._of_source[source]:
            closed = self.closed_until.get(rollup.name)
            if closed is None or not rollup.takes(event):
                continue
            if rollup.window.is_late(event.time, closed):
                self.late[rollup.name][event.id] = event

    def _detect(self, name, event):
        row = DETECTORS[name][1](event)
        if row is None:
            return
        self.detected[name].append(row)
        anomaly = Event()
        anomaly.__dict__ = {
            **row,
            "id": event.id,
            "time": event.time,
            "topic": event.topic,
            "partition": event.partition,
            "offset": event.offset,
        }
        self._add("anomalies", anomaly)

    def _change_catalogue(self, message):
        identity, time, state = self.contract.catalogue_change(
            message.topic, message.key, message.value, message.time
        )
        version = (time, message.partition, message.offset)
        current = self._current[message.topic].get(identity)
        if current is None or current[0] < version:
            self._current[message.topic][identity] = (version, state)

    # --- closing ---

    def watermark(self, domain):
        """Before lateness; None while a partition has had no event."""
        progress = self._progress[domain]
        return min(progress.values()) if len(progress) == self.partitions else None

    def close(self):
        """What one close publishes with everything taken so far."""
        for rollup in ROLLUPS:
            domain = DOMAINS[rollup.source]
            watermark = self.watermark(domain)
            if watermark is None:
                continue
            closed = watermark - rollup.lateness
            if closed > self.closed_until.get(rollup.name, -(2**62)):
                self.closed_until[rollup.name] = closed
                self._furthest_close[domain] = max(self._furthest_close[domain], closed + 1)

    # --- the tables ---

    def rows(self, name, late=None):
        """The rows of a table once all windows are closed. `late`: the event ids that the rollup
        leaves out; by default those that `close` made late."""
        if name in DETECTORS:
            return self.detected[name]
        if name in ("users", "products"):
            return self._catalogue_rows(USERS if name == "users" else PRODUCTS)
        rollup = rollups.BY_NAME[name]
        excluded = self.late[name] if late is None else late
        events = self.events[rollup.source]
        if rollup.of is not None or excluded:
            events = [
                event for event in events if rollup.takes(event) and event.id not in excluded
            ]
        return list(rollup.rows(events))

    def _catalogue_rows(self, topic):
        rows = []
        for _, state in self._current[topic].values():
            if state is not None:
                row = dict(state)
                del row["timestamp"]
                rows.append(row)
        return rows
