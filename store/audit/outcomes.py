"""Which accepted messages got no answer, and why."""

from events.conversation.events import MessageDeadLettered, MessageRetried
from store.log.event_log import EventLog

_STREAMS_KEPT = 10_000


class Outcomes:
    """What became of messages after they were decided. Each stream is read once, from the first
    message on that is asked about: ask in the order recorded."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._streams: dict[str, _Outcome] = {}

    def unanswered(self, stream: str, version: int) -> str | None:
        """Why the message at `version` became a dead letter (see `MessageDeadLettered`); `None`
        when it didn't, or when it was retried since."""
        known = self._streams.get(stream)
        if known is None or version < known.since:
            if len(self._streams) >= _STREAMS_KEPT:
                self._streams.clear()
            known = self._streams[stream] = _Outcome(self._log, stream, version)
        return known.reasons.get(version)


class _Outcome:
    """The dead letters among the messages of a stream that follow the version `since`."""

    def __init__(self, log: EventLog, stream: str, since: int) -> None:
        self.since = since
        self.reasons: dict[int, str] = {}
        stands_for: dict[int, int] = {}
        for record in log.read_stream(stream, since):
            match record.event:
                case MessageDeadLettered(message=at, reason=reason):
                    self.reasons[stands_for.get(at, at)] = reason
                case MessageRetried(message=at):
                    message = stands_for[record.version] = stands_for.get(at, at)
                    self.reasons.pop(message, None)
