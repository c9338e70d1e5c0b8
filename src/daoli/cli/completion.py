"""``daolictl completion``: what a shell must read so that Tab completes commands, flags and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from daoli.cli.session import Failure
from daoli.cli.verbs import Explained

PROGRAM = "daolictl"
VARIABLE = "_DAOLICTL_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=Explained,
    examples=(
        "source <(daolictl completion bash)",
        "daolictl completion bash > /etc/bash_completion.d/daolictl",
        "daolictl completion zsh > ~/.zfunc/_daolictl",
        "daolictl completion fish > ~/.config/fish/completions/daolictl.fish",
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Write the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"there is no completion for {shell}")
    click.echo(kind(click.Group(), {}, PROGRAM, VARIABLE).source())
