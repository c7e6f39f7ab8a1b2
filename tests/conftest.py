"""The order of the tests, and which of them may run side by side (`pytest --numprocesses 2`).

The quick ones come first, in one lane: some take a free port and open it a moment later. Tests on a lab that they
share are a lane, and so are those with labs of their own.
"""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

QUICK, SHARED_LAB = "quick", "shared lab"
LANES = {
    "test_armhf.py": "emulation",
    "test_emulation.py": "emulation",
    "test_init_failures.py": "failures",
    "test_lab.py": "own labs",
}


class Lanes(LoadScopeScheduling):
    """Gives each lane to one worker."""

    def _split_scope(self, nodeid):
        path = PurePath(nodeid.partition("::")[0])
        return LANES.get(path.name, SHARED_LAB) if path.parts[1] == "lab" else QUICK


def pytest_xdist_make_scheduler(config, log):
    return Lanes(config, log)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("lab") is not None)
