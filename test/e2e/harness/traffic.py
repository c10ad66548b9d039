"""What goes into the topics: recordings, orders of arrival, partitions, and the events that make
everything before them close."""

import json
import random
import zlib

from oracle import contract, instants
from oracle.intake import Message

SETTING_OF_TOPIC = {
    contract.TRANSACTIONS: "transactions",
    contract.CART: "cart",
    contract.VIEWS: "views",
    contract.INVENTORY: "inventory",
    contract.USERS: "users",
    contract.PRODUCTS: "products",
}


def partition_of(key, number, partitions):
    """Which partition a message goes to: by its key, in turn where it has none."""
    return (zlib.crc32(key) if key else number) % partitions


def messages(topics, partitions, time):
    """{topic: [(key, value)]} as Messages in order of arrival; `time`: their Kafka timestamp."""
    for topic, pairs in topics.items():
        offsets = [0] * partitions
        for number, (key, value) in enumerate(pairs):
            partition = partition_of(key, number, partitions)
            yield Message(topic, partition, offsets[partition], key, value, time)
            offsets[partition] += 1


def sentinels(instant):
    """{topic: function from a partition to (key, value)}: small events at an instant long after
    all others, one for every partition, so that every window before them closes."""
    timestamp = instants.show(instant)

    def common(kind, partition):
        return {
            "event_id": f"ffffffff-ffff-4fff-8fff-{partition:012x}",
            "event_type": kind,
            "timestamp": timestamp,
        }

    def user(partition):
        return {
            "user_id": f"USER_9{partition:07d}",
            "session_id": f"eeeeeeee-eeee-4eee-8eee-{partition:012x}",
            "country": "USA",
        }

    def order(partition):
        return {
            "transaction_id": f"ffffffff-ffff-4fff-8fff-{partition:012x}",
            "user_id": user(partition)["user_id"],
            "timestamp": timestamp,
            "products": [{"product_id": "PROD_99999999", "quantity": 1, "price": 1}],
            "total_amount": 1,
            "payment_method": "PayPal",
            "country": "USA",
        }

    def cart(partition):
        return {**common("checkout", partition), **user(partition)}

    def search(partition):
        return {
            **common("search", partition),
            **user(partition),
            "search_query": "sentinel",
            "results_count": 0,
        }

    def stock(partition):
        return {
            **common("price_change", partition),
            "product_id": "PROD_99999999",
            "old_price": 1,
            "new_price": 1,
        }

    makers = {
        contract.TRANSACTIONS: order,
        contract.CART: cart,
        contract.VIEWS: search,
        contract.INVENTORY: stock,
    }

    def encoded(make):
        def pair(partition):
            value = json.dumps(make(partition)).encode()
            return None, value

        return pair

    return {topic: encoded(make) for topic, make in makers.items()}


# --- orders of arrival --------------------------------------------------------------------------

TIMESTAMP = b'"timestamp"'


def event_time(value):
    """The event time as far as it can be read; None for most of what is refused."""
    if not value:
        return None
    at = value.find(TIMESTAMP)
    if at < 0:
        return None
    quote = value.find(b'"', at + len(TIMESTAMP))
    end = value.find(b'"', quote + 1)
    return instants.parse(value[quote + 1 : end].decode("utf-8", "replace")) if quote > 0 else None


def as_generated(pairs, seed):
    return list(pairs)


def by_event_time(pairs, seed):
    """Sorted; what has no time stays behind what it followed."""
    return _sorted(pairs, lambda time: time)


def displaced(pairs, seed, most=50 * instants.SECOND):
    """Every message moved back in time at random, less than the least lateness."""
    generator = random.Random(seed)
    return _sorted(pairs, lambda time: time + generator.randrange(most))


def _sorted(pairs, moved):
    timed = []
    last = 0
    for number, pair in enumerate(pairs):
        time = event_time(pair[1])
        last = last if time is None else moved(time)
        timed.append((last, number, pair))
    timed.sort(key=lambda entry: entry[:2])
    return [pair for _, _, pair in timed]


ORDERS = {"as_generated": as_generated, "by_event_time": by_event_time, "displaced": displaced}
