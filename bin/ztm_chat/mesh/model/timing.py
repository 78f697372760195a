"""How long things take in the mesh: measured values, which tests scale down."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds; the defaults were measured on a real mesh.

    Clocks run at their real speed whatever the scale: only waiting is scaled.
    """

    publish_tick_s: float = 1.0
    """The interval at which an agent publishes its changed files to the hub."""
    feed_delay_s: float = 0.5
    """What `files?since=` always takes, and the Chat app's delay after a change."""
    write_delay_s: float = 0.005
    """From the 201 of a message until it is in the agent's own files."""
    hold_back_s: float = 0.5
    """A change this soon after the previous one stays unseen until the next; 0 switches it off."""
    deaf_after_outage_s: float = 15.0
    """A hub outage of this length leaves every running Chat app deaf."""
    connect_s: float = 0.06
    """From joining, or from an agent's start, until `connected`."""
    disconnect_notice_s: float = 3.7
    """From the hub's disappearance until an agent's `connected` turns false."""
    reconnect_s: float = 2.0
    """From the hub's return until an agent's `connected` turns true."""
    republish_s: float = 10.0
    """How long a restarted agent publishes nothing (up to 20 s were seen)."""
    heartbeat_s: float = 15.0
    """Between two heartbeats of an agent, as `endpoints` shows them."""

    def scaled(self, factor: float) -> "Timing":
        """All durations times `factor`: 0.1 makes the mesh ten times faster.

        Raises ValueError unless the factor is above 0.
        """
        if not factor > 0:
            raise ValueError(f"scale of the mesh's timing is {factor}; it must be above 0")
        return Timing(**{f.name: getattr(self, f.name) * factor for f in fields(self)})
