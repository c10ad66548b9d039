"""What the end-to-end tests run: a private PostgreSQL, a private Apache Kafka, the bridge.

    processes   starting and ending processes, waiting on conditions
    postgres    the cluster and its databases
    kafka       the broker, its topics, producing
    bridge      the bridge process
    tables      the product's rows in the oracle's terms
    traffic     recordings, generated events and orders of arrival
"""
