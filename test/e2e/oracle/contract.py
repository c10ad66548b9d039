"""The event contract: a message becomes an event, or the faults that make it a dead letter."""

from . import instants, json_text, values
from .json_text import Members, NotJson
from .values import Fault

TRANSACTIONS = "transactions-topic"
CART = "cart-events-topic"
VIEWS = "product-views-topic"
INVENTORY = "inventory-events-topic"
USERS = "users-topic"
PRODUCTS = "products-topic"

EVENT_TOPICS = (TRANSACTIONS, CART, VIEWS, INVENTORY)
CATALOGUE_TOPICS = (USERS, PRODUCTS)

COUNTRIES = ("USA", "UK", "Germany", "France", "Japan")
PAYMENT_METHODS = ("Credit Card", "Debit Card", "PayPal", "Apple Pay", "Google Pay")


class Event:
    """An accepted event: its members as attributes (absent ones are None), `time`, `id`, and where
    it came from: `topic`, `partition`, `offset`. An order has `lines`."""


class DeadLetter(Exception):
    """`reasons`: every reason that fits."""

    def __init__(self, reasons):
        super().__init__(*sorted(reasons))
        self.reasons = set(reasons)


class _Shape:
    """The named members of one kind of object."""

    def __init__(self, required, optional=None):
        self.checks = {**required, **(optional or {})}
        self.required = tuple(required)
        self.absent = dict.fromkeys(self.checks)

    def read(self, pairs, faults):
        """The members' stored values; what is wrong with them is added to `faults`."""
        found = {}
        checks = self.checks
        seen = set()
        for name, value in pairs:
            check = checks.get(name)
            if check is None:
                continue
            if name in seen:
                faults.add("duplicate_member")
                continue
            seen.add(name)
            if value is None:
                continue
            try:
                found[name] = check(value)
            except Fault as fault:
                faults |= fault.reasons
                found[name] = None
        for name in self.required:
            if name not in found:
                faults.add("missing_member")
        return found


class Contract:
    """`clock` is the bridge's clock in microseconds, settable at any time."""

    def __init__(self, clock, max_future=instants.HOUR):
        self.clock = clock
        self.max_future = max_future
        self.countries = set(COUNTRIES)
        self.payment_methods = set(PAYMENT_METHODS)
        self._make_shapes()

    def _make_shapes(self):
        timestamp = values.timestamp(lambda: self.clock + self.max_future)
        user_id = values.matching(r"USER_[0-9]{1,20}")
        product_id = values.matching(r"PROD_[0-9]{1,20}")
        label = values.text_of(1, 256)
        product_name = values.text_of(1, 1024)
        country = values.one_of(self.countries)
        price = values.money(10_000)
        cart_value = values.money(10_000_000)
        order_value = values.money(100_000)
        count = values.count

        self._line = _Shape(
            {"product_id": product_id, "quantity": values.integer(1, 100), "price": price}
        )
        self._transaction = _Shape(
            {
                "transaction_id": values.uuid,
                "user_id": user_id,
                "timestamp": timestamp,
                "products": self._lines,
                "total_amount": order_value,
                "payment_method": values.one_of(self.payment_methods),
                "country": country,
            },
            {"discount_amount": order_value},
        )

        session_event = {
            "event_id": values.uuid,
            "event_type": lambda value: value,
            "timestamp": timestamp,
            "user_id": user_id,
            "session_id": values.uuid,
            "country": country,
        }
        cart = _Shape(
            session_event,
            {
                "product_id": product_id,
                "product_name": product_name,
                "category": label,
                "price": price,
                "quantity": count,
                "old_quantity": count,
                "new_quantity": count,
                "cart_size": count,
                "cart_value": cart_value,
                "items": lambda value: value,  # not looked into
                "total_items": count,
                "total_value": cart_value,
            },
        )
        cart_types = "add_to_cart remove_from_cart update_quantity checkout cart_abandonment"
        view_shapes = {
            "view": _Shape(
                {
                    **session_event,
                    "product_id": product_id,
                    "product_name": product_name,
                    "category": label,
                    "price": price,
                    "view_duration": values.decimal(6, 3600),
                },
                {
                    "from_search": values.boolean,
                    "search_query": label,
                    "previously_viewed_count": count,
                },
            ),
            "search": _Shape({**session_event, "search_query": label, "results_count": count}),
            "filter": _Shape(
                {**session_event, "results_count": count},
                {"filter_category": label, "min_price": price, "max_price": price},
            ),
            "compare": _Shape(
                {
                    **session_event,
                    "product_ids": values.array_of(product_id),
                    "product_names": values.array_of(product_name),
                    "prices": values.array_of(price),
                },
                {"category": label},
            ),
        }
        inventory_event = {
            "event_id": values.uuid,
            "event_type": lambda value: value,
            "timestamp": timestamp,
            "product_id": product_id,
        }
        inventory_shapes = {
            "stock_update": _Shape(
                {
                    **inventory_event,
                    "country": country,
                    "stock_level": count,
                    "delta": values.integer(-(2**31), 2**31 - 1),
                }
            ),
            "price_change": _Shape({**inventory_event, "old_price": price, "new_price": price}),
        }
        self._typed = {
            CART: (dict.fromkeys(cart_types.split(), cart), _Shape(session_event)),
            VIEWS: (view_shapes, _Shape(session_event)),
            INVENTORY: (inventory_shapes, _Shape(inventory_event)),
        }

        self._user = _Shape(
            {"user_id": user_id, "timestamp": timestamp, "country": country},
            {
                "age_range": values.any_text,
                "preferences": values.array_of(label),
                "registered_at": timestamp,
            },
        )
        self._product = _Shape(
            {
                "product_id": product_id,
                "timestamp": timestamp,
                "product_name": product_name,
                "category": label,
                "price": price,
            },
            {"rating": values.decimal(2, 5), "stock_level": count},
        )
        self._catalogue = {
            USERS: (self._user, "user_id", user_id),
            PRODUCTS: (self._product, "product_id", product_id),
        }

    def _lines(self, value):
        if type(value) is not list:
            raise Fault("ill_typed")
        if not 1 <= len(value) <= 5:
            raise Fault("out_of_range")
        lines = []
        faults = set()
        for element in value:
            if type(element) is not Members:
                raise Fault("ill_typed")
            lines.append(self._line.read(element, faults))
        if faults:
            raise Fault(*faults)
        return lines

    def event(self, topic, value):
        """The event in a message of an event topic; raises DeadLetter."""
        if value is None:
            raise DeadLetter({"tombstone"})
        pairs = self._object(value)
        faults = set()
        shape = self._transaction if topic == TRANSACTIONS else self._shape(topic, pairs, faults)
        found = self._read(shape, pairs, faults)
        event = Event()
        event.__dict__ = {**shape.absent, **found}
        event.topic = topic
        event.time = event.timestamp
        if topic == TRANSACTIONS:
            event.id = event.transaction_id
            event.lines = event.products
        else:
            event.id = event.event_id
        if topic == CART and event.cart_value is None:
            event.cart_value = event.total_value
        return event

    def catalogue_change(self, topic, key, value, message_time):
        """A change of users or products: (id, time, current state or None when deleted)."""
        shape, id_name, check_id = self._catalogue[topic]
        if value is None:
            try:
                return check_id((key or b"").decode("utf-8")), message_time, None
            except (Fault, UnicodeDecodeError):
                raise DeadLetter({"tombstone"}) from None
        pairs = self._object(value)
        faults = set()
        found = self._read(shape, pairs, faults)
        if found[id_name].encode() != key:
            raise DeadLetter({"out_of_range"})
        state = {**shape.absent, **found}
        return state[id_name], state["timestamp"], state

    @staticmethod
    def _object(value):
        try:
            pairs = json_text.parse(value)
        except NotJson as error:
            raise DeadLetter(error.reasons) from None
        if type(pairs) is not Members:
            raise DeadLetter({"not_an_object"})
        return pairs

    @staticmethod
    def _read(shape, pairs, faults):
        found = shape.read(pairs, faults)
        if faults:
            raise DeadLetter(faults)
        return found

    def _shape(self, topic, pairs, faults):
        """The shape that the event's type asks for; the common members when it has none."""
        shapes, common = self._typed[topic]
        kinds = [value for name, value in pairs if name == "event_type"]
        if not kinds or kinds[0] is None:
            return common  # which finds it missing
        try:
            kind, _ = values.text(kinds[0])
        except Fault as fault:
            faults |= fault.reasons
            return common
        if kind not in shapes:
            faults.add("out_of_range")
            return common
        return shapes[kind]

