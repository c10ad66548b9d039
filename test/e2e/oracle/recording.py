"""NDJSON recordings of topics: the conformance cases and the generator's files."""

import base64
import gzip
import json
import pathlib
import re

from . import contract
from .intake import Message

KEY_MEMBERS = {
    contract.TRANSACTIONS: b"transaction_id",
    contract.CART: b"user_id",
    contract.VIEWS: b"user_id",
    contract.INVENTORY: b"product_id",
    contract.USERS: b"user_id",
    contract.PRODUCTS: b"product_id",
}
TOPICS = tuple(KEY_MEMBERS)
_key_patterns = {
    topic: re.compile(rb'"%s"\s*:\s*"([^"\\]*)"' % member) for topic, member in KEY_MEMBERS.items()
}
SUFFIXES = (".ndjson.gz", ".ndjson")


def key_of(topic, value):
    """The Kafka key as the contract names it; None where the message does not show it."""
    match = _key_patterns[topic].search(value or b"")
    if match is not None and b"\\" not in value[: match.end()]:
        return match.group(1)
    try:
        return json.loads(value)[KEY_MEMBERS[topic].decode()].encode()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return match.group(1) if match else None


def read(path, topic):
    """(key, value) of each message of a recording, in order of arrival."""
    path = pathlib.Path(path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for line in lines:
        if line.startswith(b"\\N"):
            yield line[2:] or None, None
        elif line.startswith(b"\\B"):
            value = base64.b64decode(line[2:], validate=True)
            yield key_of(topic, value), value
        else:
            yield key_of(topic, line), line


def read_topics(folder):
    """{topic: [(key, value)]} of the recordings in a folder."""
    topics = {}
    for topic in TOPICS:
        for suffix in SUFFIXES:
            path = pathlib.Path(folder) / (topic + suffix)
            if path.exists():
                topics[topic] = list(read(path, topic))
    return topics


def in_one_partition(topics, time):
    """Messages topic after topic, offsets from 0. `time`: their Kafka timestamp."""
    for topic, pairs in topics.items():
        for offset, (key, value) in enumerate(pairs):
            yield Message(topic, 0, offset, key, value, time)
