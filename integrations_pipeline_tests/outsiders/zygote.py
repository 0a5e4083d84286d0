"""Runs `integrations` commands in forked children of one process that has imported the program.

A child is the console script's own `entry()` with its own arguments, environment and standard streams, so code and
output are those of a process; only the imports (1.6 s each) are shared. Orders are JSON lines on stdin, exit codes
JSON lines on stdout.
"""

import importlib
import json
import os
import pkgutil
import sys
from typing import Any


def main() -> None:
    """Serve orders until stdin ends."""
    from integrations_pipeline import cli, mail, providers, store, sync  # noqa: PLC0415 - the import is the point

    for package in (cli, mail, providers, store, sync):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    print(json.dumps({"ready": True}), flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
            cli.entry()
            return
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)  # noqa: T201 - the protocol


def _become(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    for number, path, flags in (
        (0, order["stdin"], os.O_RDONLY),
        (1, order["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        target = os.open(path, flags, 0o600)
        os.dup2(target, number)
        os.close(target)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    sys.argv = ["integrations", *order["arguments"]]


if __name__ == "__main__":
    main()
