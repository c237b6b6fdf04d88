"""Python runs this at its start: writes down, and refuses, whatever would reach the network.

``GUARD_LOG`` names the file. Each process writes a line when it starts, which shows that it was
guarded, and one per attempt. Processes that it forks are guarded, too.
"""

import os
import sys

ATTEMPTS = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
    "socket.sendmsg",
    "socket.sendto",
}
"""Audit events, https://docs.python.org/3/library/audit_events.html."""


def _watch(event, arguments):
    if event not in ATTEMPTS:
        return
    family = getattr(arguments[0], "family", None)
    if family is not None and family.name not in ("AF_INET", "AF_INET6"):
        return
    _write(f"{event} {arguments[1:]}")
    raise OSError(f"the guard refused {event} {arguments[1:]}")


def _write(line):
    with open(os.environ["GUARD_LOG"], "a", encoding="utf-8") as log:  # noqa: PTH123 - no imports
        log.write(f"{os.getpid()} {line}\n")


_write("started " + " ".join(sys.orig_argv[1:]))
sys.addaudithook(_watch)
