"""`python -m ztm_chat`, and the command `ztm-chat`."""


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    from ztm_chat.cli import cli

    cli(prog_name="ztm-chat")


if __name__ == "__main__":
    main()
