"""launcher.py - the first Python of a jail.

cellblock-init runs `python3 -IB launcher.py PROFILE NETWORK [SECCOMP [ARGUMENT...]]`.

NETWORK is "none" or "loopback". Descriptors 3 to 7 are the kernel's listening
sockets, 8 is a memory file with the connection's data; nothing else is open
but 0, 1 and 2. SECCOMP is the number of that system call in a jail without
subprocesses; then 9 is a memory file with the filter to install. It is -1 in
others. Further arguments are ipykernel's, as a frontend gave them.
"""

import os
import sys


def main():
    """Start the kernel; one sentence on standard error says why it cannot."""
    profile, network = (sys.argv[1:] + ["default", "none"])[:2]
    seccomp = int(sys.argv[3]) if sys.argv[3:] and sys.argv[3] != "-1" else None
    arguments = sys.argv[4:]
    # Isolated mode leaves the script's folder out of sys.path; the cell should
    # not see it there either, so it is in only while we import.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    try:
        from _cellblock import lighter

        lighter.begin(with_debugger=network == "loopback")
        from _cellblock.app import start

        lighter.end()
    except ModuleNotFoundError as error:
        print(
            f"the Python module {error.name} is missing; "
            "install it with: apt-get install python3-ipykernel",
            file=sys.stderr,
        )
        return 1
    finally:
        sys.path.remove(here)
    sys.argv[1:] = []
    start(profile, network, seccomp, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
