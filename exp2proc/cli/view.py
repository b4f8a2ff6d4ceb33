"""The viewer on a server of this machine: an export of any size at once, nothing written."""

from __future__ import annotations

import argparse

from .answers import show_json
from .exported import add_against, add_outs
from .values import port

EXAMPLES = """\
examples:
  exp2proc view exp/proc/output
  exp2proc view exp/proc/output --port 8765 --against exp/exp2/output

The address has a random key in it: whoever does not know it sees nothing. It is reached from
this machine only; for another the ssh command that forwards it is printed. Ctrl-C ends it.
exit codes: 0 ended by Ctrl-C; 2 it could not start.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `exp2proc view`."""
    add_outs(parser)
    parser.add_argument(
        "--port", metavar="N", type=port, default=0, help="port (default: any that is free)"
    )
    add_against(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    import getpass
    import socket

    from ..system.signals import stops_wait
    from ..viewer.server import Viewer

    with Viewer(args.outs, port=args.port, against=args.against) as viewer:
        try:
            if args.json:
                with stops_wait():  # whoever reads the address may end this at once
                    show_json({"address": viewer.address, "port": viewer.port})
            else:
                print(f"open {viewer.address}", flush=True)
                try:
                    user = f"{getpass.getuser()}@"
                except (KeyError, OSError):  # no name is known
                    user = ""
                port, host = viewer.port, socket.gethostname()
                print("from another machine, first and as long as you look:")
                print(f"  ssh -N -L {port}:127.0.0.1:{port} {user}{host}")
                print("Ctrl-C ends it", flush=True)
            viewer.serve()
        except KeyboardInterrupt:
            if not args.json:
                print()
    return 0
