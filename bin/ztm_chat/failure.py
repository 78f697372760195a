"""How a command fails: a sentence for the person, and an exit code."""

FAILED = 1
UNUSABLE = 2


class Failure(Exception):
    """The command can't do its work. The text says why, and what to do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
