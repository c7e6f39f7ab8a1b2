"""The quick tests come first, those on simulated Pis last."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("lab") is not None)
