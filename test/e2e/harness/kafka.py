"""A private Apache Kafka: one KRaft node on free ports, ended by its process id."""

import pathlib
import subprocess

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from . import kafka_admin
from .processes import PROJECT, end, free_port, wait_until

LIBRARY = PROJECT / "build" / "kafka" / "lib"

SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=3
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.retention.check.interval.ms=600000
"""


def fetch_jars():
    """The broker's jars, from Maven Central the first time."""
    subprocess.run([PROJECT / "tools" / "fetch-kafka"], check=True)
    return LIBRARY


class Broker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "log"
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._process = None
        self._admin = None

    def create(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        controller_port = free_port()
        (self.folder / "server.properties").write_text(self.settings(controller_port))
        self._java(
            "kafka.tools.StorageTool",
            *("format", "-t", "dGVzdC1jbHVzdGVyLWlkMA", *self.format_arguments(), "-c"),
        )

    def settings(self, controller_port):
        """The file server.properties."""
        return SERVER.format(port=self.port, controller_port=controller_port, data=self.data)

    def format_arguments(self):
        """More arguments for making the log's folder."""
        return []

    def start(self):
        self._process = self._start_java("kafka.Kafka")
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        wait_until(self._answers, "Kafka to answer", process=self._process, pause=0.1)

    def _answers(self):
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except Exception:  # not there yet
            return False

    def stop(self):
        if self._process is not None:
            end(self._process)
            self._process = None

    def create_topics(self, names, partitions):
        """Fresh topics; returns when the broker leads every partition."""
        topics = [NewTopic(name, num_partitions=partitions, replication_factor=1) for name in names]
        for future in self._admin.create_topics(topics).values():
            future.result()
        wait_until(lambda: self._all_led(names, partitions), "topics to be there")

    def _all_led(self, names, partitions):
        known = self._admin.list_topics(timeout=5).topics
        return all(
            name in known
            and len(known[name].partitions) == partitions
            and all(part.leader == 1 for part in known[name].partitions.values())
            for name in names
        )

    def delete_topics(self, names):
        for future in self._admin.delete_topics(list(names)).values():
            future.result()

    def delete_records(self, topic, partition, offset):
        """Removes everything below the offset, as retention does."""
        kafka_admin.delete_records(self.bootstrap, topic, partition, offset)

    def produce(self, records):
        """`records`: (topic, partition, key, value, milliseconds) in order. Every delivery is
        confirmed; gives the number."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 20,
                "queue.buffering.max.messages": 500_000,
                "log_level": 3,
            }
        )
        failures = []
        delivered = 0

        def confirm(error, _message):
            nonlocal delivered
            if error is not None:
                failures.append(error)
            delivered += 1

        sent = 0
        for topic, partition, key, value, milliseconds in records:
            arguments = {"key": key, "value": value, "partition": partition}
            if milliseconds is not None:
                arguments["timestamp"] = milliseconds
            while True:
                try:
                    producer.produce(topic, on_delivery=confirm, **arguments)
                    break
                except BufferError:
                    producer.poll(0.1)
            sent += 1
            if sent % 1000 == 0:
                producer.poll(0)
        producer.flush()
        if failures or delivered != sent:
            raise RuntimeError(f"{sent} sent, {delivered} confirmed, failures: {failures[:3]}")
        return sent

    def read(self, topic):
        """[(key, value)] of everything in the topic, partition by partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "nobody",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 3,
            }
        )
        found = []
        try:
            known = self._admin.list_topics(topic, timeout=10).topics[topic]
            for partition in sorted(known.partitions):
                consumer.assign([TopicPartition(topic, partition, 0)])
                for message in iter(lambda: consumer.poll(30), None):
                    if message.error() is not None:
                        if message.error().code() == KafkaError._PARTITION_EOF:
                            break
                        raise RuntimeError(str(message.error()))
                    found.append((message.key(), message.value()))
                else:
                    raise TimeoutError(f"{topic}: no end of partition {partition}")
        finally:
            consumer.close()
        return found

    def _command(self, main):
        return ["java", "-Xmx768m", "-cp", f"{LIBRARY}/*", main]

    def _java(self, main, *arguments):
        subprocess.run(
            [*self._command(main), *arguments, self.folder / "server.properties"],
            check=True,
            capture_output=True,
        )

    def _start_java(self, main):
        with open(self.folder / "kafka.log", "ab") as log:
            return subprocess.Popen(
                [*self._command(main), self.folder / "server.properties"], stdout=log, stderr=log
            )
