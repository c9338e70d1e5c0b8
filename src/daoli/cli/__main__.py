"""``daolictl``, also ``python -m daoli.cli``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import click

from daoli import __version__
from daoli.cli.client import Refused, Unreachable
from daoli.cli.complaints import complain, explained
from daoli.cli.completion import PROGRAM, VARIABLE, completion
from daoli.cli.connect import connect, disconnect
from daoli.cli.container import container
from daoli.cli.doctor import doctor
from daoli.cli.endpoint import endpoint
from daoli.cli.events import events
from daoli.cli.explain import explain
from daoli.cli.group import group
from daoli.cli.host import host
from daoli.cli.lease import lease
from daoli.cli.ledger import ledger
from daoli.cli.move import move
from daoli.cli.network import network
from daoli.cli.policy import apply, policy
from daoli.cli.publish import publish
from daoli.cli.route import route
from daoli.cli.rule import rule
from daoli.cli.session import Done, Failure
from daoli.cli.settings import URL
from daoli.cli.status import status
from daoli.cli.trace import trace
from daoli.cli.verbs import Noun

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells report it."""

EXIT_CODES: Final = MappingProxyType(
    {
        0: "it is done",
        FAILED: "the controller refused it, or it failed; for doctor: something is wrong",
        USAGE: "the command line or a setting makes no sense",
        UNREACHABLE: "the controller cannot be reached",
        INTERRUPTED: "interrupted",
    }
)


class Root(Noun):
    """The program itself."""

    flags_hidden = False

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes behind the examples."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])


@click.group(
    cls=Root,
    examples=(
        "daolictl status",
        "daolictl network create dnet1 --subnet 10.1.0.0/24",
        "daolictl publish 8080 web:80",
        "daolictl container move web --to h2",
        "DAOLI_CONTROLLER=http://192.0.2.10:8653 daolictl host ls --watch",
    ),
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def daolictl() -> None:
    """See and change a fabric of Docker hosts, by its controller.

    Flags that say where the controller is may also stand behind the command.
    """


for command in (
    status,
    doctor,
    host,
    network,
    endpoint,
    container,
    move,
    publish,
    route,
    lease,
    group,
    rule,
    connect,
    disconnect,
    apply,
    policy,
    explain,
    trace,
    ledger,
    events,
    completion,
):
    daolictl.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; give the exit code."""
    try:
        result = daolictl.main(arguments, prog_name=PROGRAM, complete_var=VARIABLE, standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except Unreachable as away:
        complain(f"{away}\nis it running there? --controller or {URL} says where it is")
        return UNREACHABLE
    except Refused as refusal:
        complain(explained(refusal))
        return FAILED
    except Failure as failure:
        complain(str(failure))
        return FAILED
    except Done:
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
