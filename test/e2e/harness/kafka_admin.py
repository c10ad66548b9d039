"""What Debian's confluent_kafka cannot ask of a broker, by librdkafka itself."""

import ctypes

_PRODUCER = 0
_TIMEOUT_MS = 30_000


def _library():
    library = ctypes.CDLL("librdkafka.so.1")
    for name in (
        "rd_kafka_conf_new",
        "rd_kafka_new",
        "rd_kafka_queue_new",
        "rd_kafka_topic_partition_list_new",
        "rd_kafka_topic_partition_list_add",
        "rd_kafka_DeleteRecords_new",
        "rd_kafka_queue_poll",
        "rd_kafka_event_DeleteRecords_result",
        "rd_kafka_DeleteRecords_result_offsets",
    ):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_event_error_string.restype = ctypes.c_char_p
    return library


class _Partition(ctypes.Structure):
    """rd_kafka_topic_partition_t"""

    _fields_ = [
        ("topic", ctypes.c_char_p),
        ("partition", ctypes.c_int32),
        ("offset", ctypes.c_int64),
        ("metadata", ctypes.c_void_p),
        ("metadata_size", ctypes.c_size_t),
        ("opaque", ctypes.c_void_p),
        ("err", ctypes.c_int),
        ("private", ctypes.c_void_p),
    ]


class _PartitionList(ctypes.Structure):
    """rd_kafka_topic_partition_list_t"""

    _fields_ = [
        ("count", ctypes.c_int),
        ("size", ctypes.c_int),
        ("elements", ctypes.POINTER(_Partition)),
    ]


def delete_records(bootstrap, topic, partition, offset):
    """Has the broker delete everything below the offset; returns when it has."""
    kafka = _library()
    pointer = ctypes.c_void_p
    text = ctypes.create_string_buffer(512)
    conf = pointer(kafka.rd_kafka_conf_new())
    kafka.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap.encode(), text, pointer(512))
    client = pointer(kafka.rd_kafka_new(_PRODUCER, conf, text, pointer(512)))
    assert client.value, text.value
    queue = pointer(kafka.rd_kafka_queue_new(client))
    places = pointer(kafka.rd_kafka_topic_partition_list_new(1))
    added = kafka.rd_kafka_topic_partition_list_add(places, topic.encode(), ctypes.c_int32(partition))
    ctypes.cast(added, ctypes.POINTER(_Partition)).contents.offset = offset
    request = pointer(kafka.rd_kafka_DeleteRecords_new(places))
    kafka.rd_kafka_DeleteRecords(client, ctypes.byref(request), pointer(1), None, queue)
    event = pointer(kafka.rd_kafka_queue_poll(queue, _TIMEOUT_MS))
    try:
        assert event.value, "the broker did not answer"
        assert kafka.rd_kafka_event_error(event) == 0, kafka.rd_kafka_event_error_string(event)
        result = pointer(kafka.rd_kafka_event_DeleteRecords_result(event))
        done = ctypes.cast(
            kafka.rd_kafka_DeleteRecords_result_offsets(result), ctypes.POINTER(_PartitionList)
        ).contents
        assert [e.err for e in done.elements[: done.count]] == [0], "refused"
    finally:
        kafka.rd_kafka_event_destroy(event)
        kafka.rd_kafka_DeleteRecords_destroy(request)
        kafka.rd_kafka_topic_partition_list_destroy(places)
        kafka.rd_kafka_queue_destroy(queue)
        kafka.rd_kafka_destroy(client)
