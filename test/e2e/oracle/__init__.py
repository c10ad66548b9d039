"""An independent oracle: what the specification makes of a sequence of messages.

It is written from the event contract and the tables' definitions alone, in plain Python with exact
integer arithmetic (microseconds, cents, millionths), and shares nothing with the product.

    instants    time stamps as microseconds since 1970
    values      what a member of an event may hold
    json_text   JSON as RFC 8259 has it, with nothing lost
    contract    a message becomes an event, or the faults that make it a dead letter
    intake      messages in order of arrival: duplicates, late events, watermarks
    windows     events into windows and groups
    rollups     the 27 tables
    compare     differences between two sets of rows
    recording   the conformance cases and NDJSON files
"""
