"""How a command fails: one sentence for the operator, and an exit code."""

FAILED = 1
UNUSABLE = 2


class Failure(Exception):
    """The command failed. The text says why, and what to do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
