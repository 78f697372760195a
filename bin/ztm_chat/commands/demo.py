"""`ztm-chat demo`: the daemon at work, live, on an embedded mesh."""

import click

from ztm_chat.failure import Failure


@click.command()
@click.option("--interactive", is_flag=True, help="Type as one of the people yourself.")
@click.option("--keep", is_flag=True, help="Keep the folder with the configuration and the log.")
@click.option(
    "--speed",
    type=click.FloatRange(0.5, 20),
    default=2.0,
    show_default=True,
    help="How many times faster than on a real mesh.",
)
@click.pass_context
def command(ctx: click.Context, interactive: bool, keep: bool, speed: float) -> None:
    """Show ztm-chat at work on a mesh inside this process.

    A stranger is paired, messages are answered and ignored, the Chat app goes deaf, and the daemon
    is killed with SIGKILL and recovers. The exit code is 0 only if all of it happened.
    """
    from ztm_chat.demo.runner import run_demo

    try:
        code = run_demo(speed=speed, interactive=interactive, keep=keep)
    except OSError as error:
        raise Failure(f"could not set up the demo: {error}") from error
    ctx.exit(code)
