"""Which images are kept."""

from piswarm.functions.prune import unneeded


def test_images_of_kept_versions_stay():
    present = ["r/functions/hello:a", "r/functions/hello:b", "r/functions/hello:c"]
    kept = ["r/functions/hello:b@sha256:1", "r/functions/hello:z@sha256:2"]
    assert unneeded(present, kept) == ["r/functions/hello:a", "r/functions/hello:c"]
