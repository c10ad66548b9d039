"""One odd thing at a time: every member of every kind of event with every odd value, as bytes."""

import itertools

from oracle import contract

TIME = b'"2026-11-20T10:00:00Z"'
DIGITS_20 = b"1" * 20

NUMBERS = [
    b"0", b"-0", b"0.0", b"-0.0", b"0e5", b"-0e-5", b"1", b"1.0", b"1e0", b"1E2", b"1e+2", b"1e-2",
    b"-1", b"-0.001", b"-1e-400", b"0.005", b"0.0049999999999999999999", b"0.015", b"2.675",
    b"1.005", b"1e-9", b"1e-400", b"1e400", b"-1e400", b"1e99999999999999999999",
    b"1e-99999999999999999999", b"0e99999999999999999999", b"100", b"100.004", b"101", b"3600",
    b"3600.0", b"3600.0000001", b"36e2", b"5", b"5.001", b"4.995", b"9999.99", b"9999.995", b"10000",
    b"10000.00", b"10000.000000000000000001", b"10000.01", b"1e4", b"1.00000e4", b"100000",
    b"100000.01", b"10000000", b"10000000.001", b"2147483647", b"2147483648", b"-2147483648",
    b"-2147483649", b"4294967296", b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551616", b"0." + b"0" * 400 + b"1", b"1" + b"0" * 400, b"12.345678949",
    b"12.3456785", b"33.0000005", b"1.7976931348623157e308",
]  # fmt: skip
NOT_NUMBERS = [
    b"01", b"-01", b"1.", b".5", b"+1", b"1e", b"1e+", b"-", b"0x10", b"1_000", b"NaN", b"Infinity",
    b"-Infinity", b"1,5", b"--1", b"00", b"1e5.5", b"1 2",
]  # fmt: skip
OTHERS = [
    b"null", b"true", b"false", b'""', b'"x"', b'"1"', b"[]", b"{}", b"[1]", b'[""]', b"[null]",
    b'{"a":1}', b"tru", b"nul", b"nulll", b"True", b"", b"undefined", b"'x'", b"[1,]", b"[1,2}",
    b'{"a":1,}', b'{"a"}', b"[[]]",
]  # fmt: skip
TEXTS = [
    b'"a"', b'" a"', b'"a "', b'"\\u0061"', b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\\udc00"',
    b'"\\ud83d\\ude00"', b'"\\ude00\\ud83d"', b'"\\ud83dx"', b'"\xf0\x9f\x98\x80"', b'"\xff"',
    b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\t"', b'"\x00"',
    b'"\x1f"', b'"\x7f"', b'"\\t"', b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\\/"', b'"\\""', b'"\\\\"',
    b'"' + b"x" * 256 + b'"', b'"' + b"x" * 257 + b'"', b'"' + b"\xc3\xa4" * 128 + b'"',
    b'"' + b"\xc3\xa4" * 129 + b'"', b'"' + b"\\u00e4" * 128 + b'"', b'"' + b"\\u00e4" * 129 + b'"',
    b'"' + b"x" * 1024 + b'"', b'"' + b"x" * 1025 + b'"', b'"open', b'"a" "b"', b'"\\N"',
]  # fmt: skip
IDS = [
    b'"USER_1"', b'"USER_"', b'"user_1"', b'"USER_1 "', b'"USER_ 1"', b'"USER_-1"', b'"USER_1a"',
    b'"USER_' + DIGITS_20 + b'"', b'"USER_1' + DIGITS_20 + b'"', b'"\\u0055SER_1"',
    b'"USER_\xd9\xa1"', b'"USER_1\\n"', b'"PROD_1"', b'"PROD_"', b'"PROD_' + DIGITS_20 + b'"',
    b'"PROD_1' + DIGITS_20 + b'"', b'"XUSER_1"', b'"PROD_00"',
]  # fmt: skip
UUIDS = [
    b'"ABCDEFAB-CDEF-abcd-efab-cdef12345678"', b'"abcdefab-cdef-abcd-efab-cdef1234567"',
    b'"abcdefab-cdef-abcd-efab-cdef123456789"', b'"{abcdefab-cdef-abcd-efab-cdef12345678}"',
    b'"abcdefabcdefabcdefabcdef12345678"', b'"abcdefab-cdef-abcd-efab_cdef12345678"',
    b'"gbcdefab-cdef-abcd-efab-cdef12345678"', b'"00000000-0000-0000-0000-000000000000"',
]  # fmt: skip
TIMES = [
    b'"2026-11-20T10:00:00"', b'"2026-11-20T10:00:00.1"', b'"2026-11-20T10:00:00.123456Z"',
    b'"2026-11-20T10:00:00.1234567Z"', b'"2026-11-20T10:00:00."', b'"2026-11-20T10:00:00.Z"',
    b'"2026-11-20t10:00:00Z"', b'"2026-11-20T10:00:00z"', b'"2026-11-20 10:00:00Z"',
    b'"2026-11-20T10:00Z"', b'"2026-11-20T10:00:60Z"', b'"2026-11-20T24:00:00Z"',
    b'"2026-11-20T23:59:59Z"', b'"2026-11-20T10:60:00Z"', b'"2026-11-31T10:00:00Z"',
    b'"2024-02-29T10:00:00Z"', b'"2025-02-29T10:00:00Z"', b'"2000-02-29T10:00:00Z"',
    b'"2026-13-01T10:00:00Z"', b'"2026-00-01T10:00:00Z"', b'"2026-11-00T10:00:00Z"',
    b'"0000-01-01T00:00:00Z"', b'"9999-12-31T23:59:59Z"', b'"99999-12-31T23:59:59Z"',
    b'"1999-12-31T23:59:59.999999Z"', b'"2000-01-01T00:00:00Z"', b'"2000-01-01T00:00:00+00:01"',
    b'"1999-12-31T23:59:00-00:01"', b'"2026-11-20T10:00:00+15:59"', b'"2026-11-20T10:00:00-15:59"',
    b'"2026-11-20T10:00:00+16:00"', b'"2026-11-20T10:00:00+05:60"', b'"2026-11-20T10:00:00+0530"',
    b'"2026-11-20T10:00:00+05"', b'"2026-11-20T10:00:00-00:00"', b'"2026-11-20T10:00:00 Z"',
    b'" 2026-11-20T10:00:00Z"', b'"2026-11-20T10:00:00Z "', b'"2026-11-2\\u0030T10:00:00Z"',
    b'"+026-11-20T10:00:00Z"', b'"2026-11-23T01:00:00Z"', b'"2026-11-23T01:00:00.000001Z"',
    b'"2026-11-23T03:00:00+02:00"', b'"2026-11-20T10:00:00.+1"', b'"2026-W47-5T10:00:00Z"',
    b"1763632800", b'"1763632800"', b'"now"', b'"infinity"',
]  # fmt: skip
NAMES = [b'"usa"', b'"USA"', b'"USA "', b'"US\\u0041"', b'"Paypal"', b'"PayPal"', b'"Apple Pay"']
ARRAYS = [
    b'["a"]', b'["a","a"]', b'["PROD_1"]', b'["PROD_1",""]', b'["PROD_1",null]', b"[1,2.005]",
    b"[1,-1]", b'[1,"1"]', b"[10000.001]", b"[0.005]", b"[" + b"1," * 500 + b"1]", b'["\\u0000"]',
    b'["\\ud800"]', b'["' + b"x" * 256 + b'"]', b'["' + b"x" * 257 + b'"]', b"[true]", b"[[1]]",
]  # fmt: skip
LINE = b'{"product_id":"PROD_1","quantity":2,"price":3.5}'
LINES = [
    b"[" + LINE + b"]", b"[" + b",".join([LINE] * 5) + b"]", b"[" + b",".join([LINE] * 6) + b"]",
    b"[" + LINE + b",null]", b"[" + LINE + b",1]", b"[" + LINE + b",[]]", b"[" + LINE + b",{}]",
    b'[{"product_id":"PROD_1","quantity":2,"price":3.5,"price":3.5}]',
    b'[{"product_id":"PROD_1","quantity":2,"price":3.5,"x":1,"x":[{}]}]',
    b'[{"product_id":"PROD_1","quantity":2,"price":3.5,"country":1,"timestamp":null}]',
    b'[{"product_id":"PROD_1","quantity":0,"price":3.5}]',
    b'[{"product_id":"PROD_1","quantity":100,"price":10000}]',
    b'[{"product_id":"PROD_1","quantity":101,"price":3.5}]',
    b'[{"product_id":"PROD_1","quantity":1.0,"price":3.5}]',
    b'[{"product_id":"PROD_1","quantity":2,"price":-1}]',
    b'[{"product_id":"PROD_1","quantity":2}]', b'[{"product_id":null,"quantity":2,"price":1}]',
    b'[{"product_id":"PROD_","quantity":2,"price":1}]', b'[{"quantity":2,"price":"1"}]',
    b'[{"product_\\u0069d":"PROD_1","quantity":2,"price":1}]', LINE, b'[{"":0}]',
]  # fmt: skip
KINDS = [
    b'"view"', b'"VIEW"', b'"search"', b'"filter"', b'"compare"', b'"checkout"', b'"add_to_cart"',
    b'"cart_abandonment"', b'"stock_update"', b'"price_change"', b'"\\u0076iew"', b'"purchase"',
]  # fmt: skip

VALUES = list(
    dict.fromkeys(
        itertools.chain(
            NUMBERS, NOT_NUMBERS, OTHERS, TEXTS, IDS, UUIDS, TIMES, NAMES, ARRAYS, LINES, KINDS
        )
    )
)

_SESSION = {
    "event_id": None,
    "timestamp": TIME,
    "user_id": b'"USER_7"',
    "session_id": b'"00000000-0000-4000-8000-000000000007"',
    "country": b'"USA"',
}
_PRODUCT = {
    "product_id": b'"PROD_7"',
    "product_name": b'"Seven"',
    "category": b'"Books"',
    "price": b"7.7",
}

# Topic and members of one valid event of each kind, every member that its kind has.
EVENTS = [
    (
        contract.TRANSACTIONS,
        {
            "transaction_id": None,
            "user_id": b'"USER_7"',
            "timestamp": TIME,
            "products": b"[" + LINE + b"]",
            "total_amount": b"7.5",
            "payment_method": b'"PayPal"',
            "country": b'"USA"',
            "discount_amount": b"0.5",
        },
    ),
    (
        contract.CART,
        {
            **_SESSION,
            "event_type": b'"checkout"',
            **_PRODUCT,
            "quantity": b"1",
            "old_quantity": b"1",
            "new_quantity": b"2",
            "cart_size": b"3",
            "cart_value": b"9.9",
            "items": b"[]",
            "total_items": b"4",
            "total_value": b"8.8",
        },
    ),
    (
        contract.VIEWS,
        {
            **_SESSION,
            "event_type": b'"view"',
            **_PRODUCT,
            "view_duration": b"33",
            "from_search": b"true",
            "search_query": b'"seven"',
            "previously_viewed_count": b"1",
        },
    ),
    (
        contract.VIEWS,
        {
            **_SESSION,
            "event_type": b'"search"',
            "search_query": b'"seven"',
            "results_count": b"7",
            "price": b"1",
            "view_duration": b"1",
        },
    ),
    (
        contract.VIEWS,
        {
            **_SESSION,
            "event_type": b'"filter"',
            "results_count": b"7",
            "filter_category": b'"Books"',
            "min_price": b"1",
            "max_price": b"2",
        },
    ),
    (
        contract.VIEWS,
        {
            **_SESSION,
            "event_type": b'"compare"',
            "product_ids": b'["PROD_1","PROD_2"]',
            "product_names": b'["One","Two"]',
            "prices": b"[1,2.5]",
            "category": b'"Books"',
        },
    ),
    (
        contract.INVENTORY,
        {
            "event_id": None,
            "event_type": b'"stock_update"',
            "timestamp": TIME,
            "product_id": b'"PROD_7"',
            "country": b'"UK"',
            "stock_level": b"10",
            "delta": b"-1",
        },
    ),
    (
        contract.INVENTORY,
        {
            "event_id": None,
            "event_type": b'"price_change"',
            "timestamp": TIME,
            "product_id": b'"PROD_7"',
            "old_price": b"1",
            "new_price": b"2",
            "country": b'"UK"',
        },
    ),
    (
        contract.USERS,
        {
            "user_id": b'"USER_7"',
            "timestamp": TIME,
            "country": b'"USA"',
            "age_range": b'"25-34"',
            "preferences": b'["Books"]',
            "registered_at": TIME,
        },
    ),
    (
        contract.PRODUCTS,
        {**_PRODUCT, "timestamp": TIME, "rating": b"4.5", "stock_level": b"7"},
    ),
]

KEYS = {contract.USERS: b"USER_7", contract.PRODUCTS: b"PROD_7"}

# Numbers beyond a double and lone surrogates may be refused where nobody reads them: left out.
MAY_BE_REFUSED = [b"e400", b"e9999", b"\\ud", b"1" + b"0" * 400]


def write(members):
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members) + b"}"


def messages():
    """(topic, key, value) of every odd message."""
    numbers = itertools.count(1)
    for topic, event in EVENTS:
        key = KEYS.get(topic)

        def complete(pairs):
            identity = b'"%08x-0000-4000-8000-000000000000"' % next(numbers)
            return [(name, identity if value is None else value) for name, value in pairs]

        for name in event:
            for value in VALUES:
                if _undecided(topic, event, name, value):
                    continue
                yield topic, key, write(complete({**event, name: value}.items()))
            without = [pair for pair in event.items() if pair[0] != name]
            yield topic, key, write(complete(without))
            again = [*event.items(), (name, b"null")]
            yield topic, key, write(complete(again))
            yield topic, key, write([*complete(event.items()), (name, event[name] or b'"x"')])
            yield topic, key, _escaped(name, complete(event.items()))
        yield from ((topic, key, value) for value in _frames(write(complete(event.items()))))
    for topic in contract.CATALOGUE_TOPICS:
        for key in (None, b"", b"USER_", b"PROD_", b"USER_7", b"PROD_7", b"user_7", b"USER_7 ", b"\xff"):
            yield topic, key, None


def _undecided(topic, event, name, value):
    if name == "items" or (name == "country" and event.get("event_type") == b'"price_change"'):
        return any(part in value for part in MAY_BE_REFUSED)
    if name in ("price", "view_duration") and event.get("event_type") == b'"search"':
        return any(part in value for part in MAY_BE_REFUSED)
    # Another type makes other members unread.
    return name == "event_type" and any(part in value for part in MAY_BE_REFUSED)


def _escaped(name, pairs):
    """The same with the member's name escaped."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    return write([(escaped if pair[0] == name else pair[0], pair[1]) for pair in pairs])


def _frames(value):
    """What may stand around an object, and inside of it where nobody reads."""
    yield b""
    yield b" "
    yield b"{}"
    yield b"[]"
    yield b"1"
    yield b'"x"'
    yield b"null"
    yield None
    yield b"\xef\xbb\xbf" + value
    yield b"\xff\xfe" + value
    yield value + b"\x00"
    yield b"\x00" + value
    yield value + b"\n"
    yield b" \t\r\n" + value + b" \t\r\n"
    yield b"\x0b" + value
    yield b"\xc2\xa0" + value
    yield value + value
    yield value + b","
    yield value[:-1]
    yield value[:-1] + b",}"
    yield value[1:]
    yield b"[" + value + b"]"
    yield value.replace(b",", b",,", 1)
    yield value.replace(b":", b"::", 1)
    yield value.replace(b":", b"=", 1)
    yield value.replace(b'"', b"'")
    yield b"//x\n" + value
    for depth in (30, 31, 32, 33, 1000, 30_000):
        yield b'{"x":' + b"[" * depth + b"]" * depth + b"," + value[1:]
        yield b'{"x":' + b'{"a":' * depth + b"1" + b"}" * depth + b"," + value[1:]
        yield b'{"x":"' + b"[{" * depth + b'",' + value[1:]
    for length in (65_535, 65_536, 65_537):
        room = length - len(value) - len(b'"x":"",')
        yield b'{"x":"' + b"y" * room + b'",' + value[1:]
        yield value + b" " * (length - len(value))
    for odd in (b"tru", b"[1,2}", b"01", b"1.", b"nan", b'"\x01"', b'"\\q"', b"'a'", b"", b"-", b'"\xff"'):
        yield b'{"x":' + odd + b"," + value[1:]
    for fine in (b"1e5", b"-0", b'"\\u0000"', b'{"a":1,"a":2}', b"[[],{}]", b'{"":""}', b"1E-5"):
        yield b'{"x":' + fine + b',"x":1,"":2,"\\u0000":3,' + value[1:]
