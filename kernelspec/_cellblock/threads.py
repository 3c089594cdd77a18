"""threads.py - the second filter of a jail without subprocesses: neither fork nor exec.

cellblock-init cannot install it, for it executes Python afterwards. Here it
comes over all threads at once when the kernel stands and before any cell runs.
"""

import ctypes
import os

FILTER_FILE = 9
MAX_BYTES = 65536
INSTRUCTION_BYTES = 8
_SET_MODE_FILTER = 1
_TSYNC = 1


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def confine(number, filter_file=FILTER_FILE):
    """Install the filter in the file by system call `number`; OSError when the kernel refuses."""
    try:
        data = os.pread(filter_file, MAX_BYTES, 0)
    finally:
        os.close(filter_file)
    code = ctypes.create_string_buffer(data, len(data))
    program = _Program(len(data) // INSTRUCTION_BYTES, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) for word in (number, _SET_MODE_FILTER, _TSYNC)]
    if libc.syscall(*words, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "the filter against subprocesses cannot be installed")
