"""A HAProxy and its log for tests of the controller alone: they have counted and heard what the test says."""

from pathlib import Path

from piswarm.gateway.haproxy import DataPlaneError
from piswarm.gateway.tallier import Tallier


class FakeProxy:
    """Takes every configuration and remembers the last; has counted what the test says.

    Without an answer to how many calls it had (`None`) it is one that cannot be reached.
    """

    def __init__(self, counted):
        self.counted = counted
        self.text = ""

    def apply(self, configuration):
        self.text = configuration.text
        return True

    def calls(self):
        if self.counted is None:
            raise DataPlaneError("HAProxy does not give its statistics.")
        return self.counted


class FakeEar:
    """Has heard what the test says."""

    def __init__(self):
        self.heard = {}

    def take(self):
        heard, self.heard = self.heard, {}
        return heard


def fake_tallier(proxy, ear):
    """Return a tallier that begins with nothing."""
    return Tallier(proxy, ear, Path("/nonexistent/tallies.json"))
