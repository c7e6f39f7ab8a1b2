"""A node whose shell gives recorded answers."""


class RecordedNode:
    """Gives one answer after the other and remembers what it was asked."""

    node = "pi1"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.commands = []

    def run(self, command, **_):
        self.commands.append(command)
        return self.answers.pop(0)
