"""What faas-cli 0.17.6 sends, command by command, and the statuses that it goes on with.

Recorded with the real program; images, names and amounts are this project's. One recorded request asked for a
hundred CPUs and was accepted; this gateway refuses what no node has, so the amount here is one that can be.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sent:
    """One request of the program's and the status that it got."""

    method: str
    path: str
    status: int
    body: dict = field(default_factory=dict)
    agent: str = "faas-cli/0.17.6"


@dataclass(frozen=True)
class Command:
    """One command line and the requests that it makes, in their order."""

    line: str
    sent: tuple[Sent, ...]


def commands(image):
    """Return one session: every command meets what the ones before it have left."""
    full = {
        "service": "echo",
        "image": image,
        "envProcess": "cat",
        "envVars": {"a": "b"},
        "constraints": ["node.role==manager"],
        "secrets": ["s1"],
        "labels": {"l": "1"},
        "annotations": {"topic": "x"},
        "limits": {"memory": "64m", "cpu": "100m"},
        "requests": {"memory": "32m"},
    }
    other_namespace = {
        "service": "echo",
        "image": image,
        "namespace": "dev",
        "labels": {},
        "annotations": {},
    }
    from_store = {
        "service": "fig",
        "image": image,
        "envProcess": "figlet",
        "labels": {},
        "annotations": {},
    }
    listing = Sent("GET", "/system/functions", 200)
    describing = Sent("GET", "/system/function/echo?usage=1", 200)
    return (
        Command("login", (Sent("GET", "/system/functions", 200, agent="Go-http-client/1.1"),)),
        Command("secret create s1", (Sent("POST", "/system/secrets", 201, {"name": "s1", "value": "v"}),)),
        Command(
            "deploy --name echo (new)",
            (Sent("PUT", "/system/functions", 404, full), Sent("POST", "/system/functions", 202, full)),
        ),
        Command("deploy --name echo (again)", (Sent("PUT", "/system/functions", 202, full),)),
        Command("list", (listing,)),
        Command("describe echo", (describing, listing)),
        Command("ready echo", (describing,)),
        Command(
            "deploy --update=false --replace -n dev",
            (
                Sent("DELETE", "/system/functions", 202, {"functionName": "echo", "namespace": "dev"}),
                Sent("POST", "/system/functions", 202, other_namespace),
            ),
        ),
        Command(
            "store deploy figlet --name fig",
            (
                Sent("PUT", "/system/functions", 404, from_store),
                Sent("POST", "/system/functions", 202, from_store),
            ),
        ),
        Command(
            "logs echo --follow=false", (Sent("GET", "/system/logs?name=echo&follow=false&tail=-1", 200),)
        ),
        Command("version", (Sent("GET", "/system/info", 200),)),
        Command("namespace list", (Sent("GET", "/system/namespaces", 200),)),
        Command("remove fig", (Sent("DELETE", "/system/functions", 202, {"functionName": "fig"}),)),
        Command("remove echo", (Sent("DELETE", "/system/functions", 202, {"functionName": "echo"}),)),
        Command("remove echo (again)", (Sent("DELETE", "/system/functions", 404, {"functionName": "echo"}),)),
        Command("secret remove s1", (Sent("DELETE", "/system/secrets", 202, {"name": "s1"}),)),
    )


def replay(ask, image):
    """Send a whole session; return what was answered otherwise than recorded.

    Args:
        ask: sends a request with credentials: method, path, json and headers.
        image: an image that the gateway can deploy.
    """
    differences = []
    for command in commands(image):
        for sent in command.sent:
            headers = {"User-Agent": sent.agent, "Content-Type": "application/json"}
            answer = ask(sent.method, sent.path, json=sent.body or None, headers=headers)
            if answer.status_code != sent.status:
                differences.append(
                    f"{command.line}: {sent.method} {sent.path}: {answer.status_code} {answer.text}"
                )
    return differences
