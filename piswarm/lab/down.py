"""The story of `piswarm lab down`: nothing of the lab is left, and nothing else is touched."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from piswarm.console import Console
from piswarm.lab import engine
from piswarm.lab.facts import known_hosts_file, lab_cache
from piswarm.lab.image import remove_images
from piswarm.lab.names import Lab
from piswarm.settings import Settings

_MOST_AT_ONCE = 8


def take_down(lab: Lab, settings: Settings, console: Console, *, purge: bool = False) -> None:
    """Remove the lab's containers, volumes and network, and the record of the cluster that lived on it.

    Args:
        lab: which one.
        settings: where records and the cache are.
        console: told the progress.
        purge: remove the images and archives too, which every lab of this user shares.

    Raises:
        LabError: the engine refuses.
    """
    client = engine.connect()
    with console.step(f"Take down the lab '{lab.name}'"), engine.telling("The lab could not be removed"):
        _remove_containers(client, lab)
        for volume in client.volumes.list(filters={"label": lab.filters}):
            volume.remove(force=True)
        for network in client.networks.list(filters={"label": lab.filters}):
            network.remove()
        _forget_cluster(lab, settings)
        known_hosts_file(lab, settings).unlink(missing_ok=True)
        if purge:
            remove_images(client)
            shutil.rmtree(lab_cache(settings), ignore_errors=True)


def _remove_containers(client: docker.DockerClient, lab: Lab) -> None:
    containers = client.containers.list(all=True, filters={"label": lab.filters})
    with ThreadPoolExecutor(max_workers=_MOST_AT_ONCE) as pool:
        list(pool.map(_remove, containers))


def _remove(container: Container) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return


def _forget_cluster(lab: Lab, settings: Settings) -> None:
    """Remove the record of a cluster whose nodes are gone: new nodes have new host keys."""
    shutil.rmtree(settings.cluster_dir(lab.name), ignore_errors=True)
    current = settings.current_file
    if current.is_file() and current.read_text().strip() == lab.name:
        current.unlink()
