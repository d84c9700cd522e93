# SPDX-License-Identifier: Apache-2.0
"""An API server for scripts/demo, which can be told to go away and to come back.

    python3 tests/kube/demo.py DIRECTORY

DIRECTORY must not exist; whereabouts.kubeconfig will be in it. Prints "ready" when the server is there, and
runs until its stdin is closed or SIGTERM. Each line on stdin is a command, and gets one line as its answer:

    stop     both servers end: "ready"
    start    they come back, with the same objects, on the same port: "ready"
    count    how much the store holds: "ENTRIES RESERVATIONS"
"""

import pathlib
import signal
import sys

from apiserver import ApiServer, StartError


def count(api):
    return f"{sum(map(len, api.pools().values()))} {len(api.reservations())}"


def main(directory):
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    with ApiServer(directory) as api:
        commands = {"stop": api.stop, "start": api.start, "count": lambda: count(api)}
        api.kubeconfig(directory / "whereabouts.kubeconfig")
        print("ready", flush=True)
        for line in sys.stdin:
            print(commands[line.strip()]() or "ready", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    try:
        main(pathlib.Path(sys.argv[1]))
    except StartError as error:
        sys.exit(str(error))
