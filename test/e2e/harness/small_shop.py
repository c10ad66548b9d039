"""A generator of our own beside the product's: a few users and products, so that groups, ties,
half cents, returning sessions and thresholds are frequent. Deterministic for a seed."""

import json
import random
import uuid

from oracle import contract, instants

KINDS = {
    contract.VIEWS: 55,
    contract.CART: 30,
    contract.TRANSACTIONS: 10,
    contract.INVENTORY: 5,
}
MONEY = [0, 0.005, 0.01, 1, 2.5, 9.99, 19.995, 120, 999.99, 2000, 10000]
SEARCHES = ["laptop", "Laptop", " laptop", "наушники", "耳机", "x" * 256]
CATEGORIES = ["Laptops", "Books", "books", "Möbel"]


class SmallShop:
    """`span`: the event time that `count` events cover, in microseconds."""

    def __init__(self, seed, count, start, span, users=40, products=12):
        self.random = random.Random(seed)
        self.count, self.start, self.span = count, start, span
        self.users = [f"USER_{number}" for number in range(users)]
        self.products = [f"PROD_{number}" for number in range(products)]
        self.sessions = {user: self._uuid() for user in self.users}

    def events(self):
        """(topic, event) in order of event time."""
        topics, weights = list(KINDS), list(KINDS.values())
        for number in range(self.count):
            time = self.start + self.span * number // self.count
            if self.random.random() < 0.2:
                time -= time % instants.SECOND  # ties, and instants on window bounds
            topic = self.random.choices(topics, weights)[0]
            yield topic, self._event(topic, time)

    def messages(self, disorder=0, late=0.0, most_late=0, duplicates=0.0, corrupt=0.0):
        """{topic: [(key, value)]} in order of arrival. `disorder`: how far an event may come behind
        a later one; the share `late` of them comes up to `most_late` behind; microseconds."""
        arrivals = []
        for number, (topic, event) in enumerate(self.events()):
            delay = self.random.randrange(disorder + 1)
            if self.random.random() < late:
                delay = self.random.randrange(most_late + 1)
            moment = event.pop("_time") + delay
            value = json.dumps(event, ensure_ascii=self.random.random() < 0.5).encode()
            key = event["transaction_id" if topic == contract.TRANSACTIONS else "event_id"].encode()
            arrivals.append((moment, number, topic, key, value))
            if self.random.random() < duplicates:
                again = moment + self.random.randrange(20 * instants.SECOND)
                arrivals.append((again, number, topic, key, value))
            if self.random.random() < corrupt:
                arrivals.append((moment, number, topic, key, self._corrupted(value)))
        arrivals.sort(key=lambda arrival: arrival[:2])
        topics = {topic: [] for topic in KINDS}
        for _, _, topic, key, value in arrivals:
            topics[topic].append((key, value))
        return topics

    def _event(self, topic, time):
        pick = self.random.choice
        user = pick(self.users)
        event = {"timestamp": instants.show(time), "_time": time}
        if topic != contract.INVENTORY:
            event["user_id"] = user
            event["country"] = pick(contract.COUNTRIES)
        if topic == contract.TRANSACTIONS:
            return {**event, **self._order()}
        event["event_id"] = self._uuid()
        if topic == contract.INVENTORY:
            return {**event, **self._stock()}
        if self.random.random() < 0.02:
            self.sessions[user] = self._uuid()
        event["session_id"] = self.sessions[user]
        return {**event, **(self._cart() if topic == contract.CART else self._view())}

    def _order(self):
        many = self.random.random() < 0.05
        lines = [
            {
                "product_id": self.random.choice(self.products),
                "quantity": self.random.randint(50, 100) if many else self.random.randint(1, 3),
                "price": self.random.choice(MONEY),
            }
            for _ in range(self.random.randint(1, 5))
        ]
        order = {
            "transaction_id": self._uuid(),
            "products": lines,
            "total_amount": self.random.choice([*MONEY, 5000, 5000.005, 7500, 100000]),
            "payment_method": self.random.choice(contract.PAYMENT_METHODS),
        }
        if self.random.random() < 0.3:
            order["discount_amount"] = self.random.choice(MONEY)
        return order

    def _cart(self):
        kinds = "add_to_cart remove_from_cart update_quantity checkout cart_abandonment".split()
        event = {"event_type": self.random.choices(kinds, [50, 20, 15, 10, 5])[0]}
        if self.random.random() < 0.8:
            name = "total_value" if event["event_type"] == "checkout" else "cart_value"
            event[name] = self.random.choice(MONEY)
        if self.random.random() < 0.7:
            event["product_id"] = self.random.choice(self.products)
            event["quantity"] = self.random.randint(0, 5)
        return event

    def _view(self):
        kind = self.random.choices("view search filter compare".split(), [60, 20, 15, 5])[0]
        event = {"event_type": kind}
        if kind == "view":
            event["product_id"] = self.random.choice(self.products)
            event["product_name"] = "Name of " + event["product_id"]
            event["category"] = self.random.choice(CATEGORIES)
            event["price"] = self.random.choice(MONEY)
            event["view_duration"] = self.random.choice([0, 0.5, 12.3456785, 3600, 33])
        elif kind == "search":
            event["search_query"] = self.random.choice(SEARCHES)
            event["results_count"] = self.random.choice([0, 1, 7, 2**31 - 1])
        elif kind == "filter":
            event["results_count"] = self.random.randint(0, 9)
        else:
            some = self.random.sample(self.products, 2)
            event.update(product_ids=some, product_names=["a", "b"], prices=[1, 2.005])
        return event

    def _stock(self):
        product = self.random.choice(self.products)
        if self.random.random() < 0.7:
            return {
                "event_type": "stock_update",
                "product_id": product,
                "country": self.random.choice(contract.COUNTRIES),
                "stock_level": self.random.randint(0, 500),
                "delta": self.random.randint(-5, 5),
            }
        return {
            "event_type": "price_change",
            "product_id": product,
            "old_price": self.random.choice(MONEY),
            "new_price": self.random.choice(MONEY),
        }

    def _corrupted(self, value):
        return self.random.choice(
            [
                value[:-1],
                value + b"}",
                b"[" + value + b"]",
                value.replace(b'"timestamp"', b'"timestemp"'),
                value.replace(b'"timestamp": "20', b'"timestamp": "19'),
                value.replace(b'"timestamp": "', b'"timestamp": "x'),
                value.replace(b'"timestamp": "20', b'"timestamp": "90'),
                value[:1] + b'"timestamp": "2026-11-20T10:00:00", ' + value[1:],
                value[:1] + b'"x": "\xff", ' + value[1:],
                value[:1] + b'"x": ' + b"[" * 40 + b"]" * 40 + b", " + value[1:],
                value[:1] + b'"x": "' + b"y" * 66_000 + b'", ' + value[1:],
                value[:1] + b'"x": NaN, ' + value[1:],
                b"",
                None,
            ]
        )

    def _uuid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128)))
