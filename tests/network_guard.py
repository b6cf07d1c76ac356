"""Runs a Python program that the kernel ends (SIGSYS) when it goes to the network: ``python network_guard.py ARGS…``.

``ARGS`` are as for Python itself: ``-c CODE …`` or ``-m MODULE …``. A seccomp filter, which needs no rights, ends the
process, whichever thread and library it is, at its first TCP socket over IP or socket of the resolver. Plain datagram
sockets pass: libcurl makes one, unused, to see whether the machine has IPv6. Exit status 77 where there is no seccomp.
"""

from __future__ import annotations

import ctypes
import platform
import runpy
import socket
import struct
import sys

UNGUARDED = 77
_SOCKET = {"x86_64": 41, "aarch64": 198}  # number of the system call
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2  # <sys/prctl.h>, <linux/seccomp.h>
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # <linux/bpf_common.h>: LD|W|ABS, JMP|JEQ|K, RET|K
_END, _ALLOW = 0x80000000, 0x7FFF0000
_CALL, _DOMAIN, _TYPE = 0, 16, 24  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def guard() -> bool:
    """Install the filter for this process, all threads and children to come; False where the system has none."""
    number = _SOCKET.get(platform.machine())
    if sys.platform != "linux" or number is None:
        return False
    steps = (  # (what, steps to skip if equal, if not, value)
        (_LOAD, 0, 0, _CALL),
        (_EQUAL, 0, 6, number),
        (_LOAD, 0, 0, _DOMAIN),
        (_EQUAL, 1, 0, socket.AF_INET),
        (_EQUAL, 0, 3, socket.AF_INET6),
        (_LOAD, 0, 0, _TYPE),
        (_EQUAL, 1, 0, socket.SOCK_DGRAM),
        (_RETURN, 0, 0, _END),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps), 8 * len(steps))
    program = _Program(len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None).prctl
    return prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0


def main() -> None:
    kind, what, *rest = sys.argv[1:]
    if not guard():
        sys.exit(UNGUARDED)
    sys.path[0] = ""  # as Python itself has it for -c and -m, not this file's folder
    if kind == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *rest]
        exec(compile(what, "<command>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
