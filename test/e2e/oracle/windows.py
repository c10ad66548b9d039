"""Events into windows and groups."""

from . import instants


class Tumbling:
    def __init__(self, width):
        self.width = width

    def is_late(self, instant, closed_until):
        """All windows of the instant are closed."""
        return instant - instant % self.width + self.width <= closed_until

    def groups(self, events, key):
        """(window start, window end, key, events) of each group."""
        width = self.width
        found = {}
        for event in events:
            time = event.time
            group = (time - time % width, *key(event))
            members = found.get(group)
            if members is None:
                found[group] = [event]
            else:
                members.append(event)
        for (start, *values), members in found.items():
            yield start, start + width, tuple(values), members


class Session:
    """Windows of events no further apart than the gap; exactly the gap apart is together."""

    def __init__(self, gap):
        self.gap = gap

    def is_late(self, instant, closed_until):
        return instant <= closed_until

    def groups(self, events, key):
        of_key = {}
        for event in events:
            of_key.setdefault(key(event), []).append(event)
        for values, members in of_key.items():
            members.sort(key=lambda event: event.time)
            session = [members[0]]
            for event in members[1:]:
                if event.time - session[-1].time > self.gap:
                    yield session[0].time, session[-1].time + self.gap, values, session
                    session = []
                session.append(event)
            yield session[0].time, session[-1].time + self.gap, values, session


def minutes(count):
    return count * instants.MINUTE
