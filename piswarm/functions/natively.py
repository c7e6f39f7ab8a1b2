"""Building a version natively for each architecture of the cluster: on one node of each kind, at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import PLATFORMS
from piswarm.cluster.registry import join_images
from piswarm.errors import BuildError, PiswarmError
from piswarm.functions.base_image import base_image
from piswarm.functions.build import BuildRequest, build
from piswarm.functions.builder import make_ready
from piswarm.functions.remote import ManagerRepository
from piswarm.functions.site import Site
from piswarm.functions.version import Version

if TYPE_CHECKING:
    from piswarm.cluster.shell import Shell


def build_version(
    site: Site, version: Version, architectures: Sequence[str], *, is_cached: bool, timeout_s: float
) -> str:
    """Build a version; its commit is on the nodes that build.

    Args:
        site: where.
        version: the version.
        architectures: what it is built for, in Debian's words.
        is_cached: whether layers of earlier builds may be used.
        timeout_s: seconds until a build is ended.

    Returns:
        The reference by digest of an image that suits all the architectures.

    Raises:
        BuildError: it could not be built for one of them; the message names the node and the architecture.
    """
    nodes = {arch: site.node_for(arch) for arch in architectures}
    many = len(nodes) > 1
    places = " and ".join(f"{one.node} ({arch})" if many else one.node for arch, one in nodes.items())
    with site.console.step(f"Build {version.spec.name} on {places}"):
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            begun = {
                arch: pool.submit(
                    _build_on,
                    site,
                    shell,
                    version,
                    arch,
                    is_cached=is_cached,
                    timeout_s=timeout_s,
                    is_named=many,
                )
                for arch, shell in nodes.items()
            }
        faults = {arch: error for arch, one in begun.items() if (error := one.exception())}
        if faults:
            raise told(faults, many=many)
        images = {arch: one.result() for arch, one in begun.items()}
        return join_images(site.manager, images) if many else next(iter(images.values()))


def _build_on(
    site: Site,
    shell: Shell,
    version: Version,
    arch: str,
    *,
    is_cached: bool,
    timeout_s: float,
    is_named: bool,
) -> str:
    name, node = version.spec.name, shell.node if is_named else ""

    def tell(line: str) -> None:
        site.console.progress(line, node)

    with site.building(name, shell):
        if shell.node in site.others:
            make_ready(site.others[shell.node], site.cluster, arch, version.template, tell)
        request = BuildRequest(
            function=name,
            repository=ManagerRepository(shell, name).path,
            commit=version.source.commit.sha,
            version=version.fingerprint,
            folder=version.folder,
            platform=PLATFORMS[arch],
            base=base_image(shell, version.template, PLATFORMS[arch], tell),
            dockerfile=version.template.dockerfile,
            build_args=version.spec.build_args,
            is_cached=is_cached,
            timeout_s=timeout_s,
        )
        return build(shell, request, tell)


def told(faults: Mapping[str, BaseException], *, many: bool) -> BaseException:
    """Return the error that tells of all that went wrong; what nobody expected is returned as it is.

    Args:
        faults: what went wrong, by architecture.
        many: whether the function is built for several.
    """
    unexpected = [error for error in faults.values() if not isinstance(error, PiswarmError)]
    if unexpected or not many:
        return unexpected[0] if unexpected else next(iter(faults.values()))
    expected = {arch: error for arch, error in faults.items() if isinstance(error, PiswarmError)}
    sentences = " ".join(f"For {arch}: {error.message}" for arch, error in expected.items())
    return BuildError(sentences, next((error.hint for error in expected.values() if error.hint), ""))
