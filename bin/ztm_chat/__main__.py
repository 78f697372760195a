"""`python -m ztm_chat`, and the command `ztm-chat`."""


def main() -> None:
    """Run the command line; the process's exit code says how it went."""
    from ztm_chat.cli import cli

    cli(prog_name="ztm-chat")


if __name__ == "__main__":
    main()
