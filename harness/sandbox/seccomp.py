"""A seccomp filter for the jail: system calls that a trial never needs and an attack often does.

The filter is a classic BPF program, written by hand since it is a list of comparisons: no library is needed to
make it, and none to load it, because bubblewrap does. It refuses with EPERM what is listed, kills what comes by
another architecture's numbers, and turns `clone3` into ENOSYS so that libc falls back to `clone`, whose flags can
be looked at.
"""

from __future__ import annotations

import errno
import platform
import struct

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS, JEQ|K, JGE|K, JSET|K, RET|K
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
ARGUMENT_0, ARGUMENT_1, ARGUMENT_2, ARGUMENT_3 = 16, 24, 32, 40  # their low halves
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW*: user, pid, net, ipc, uts, cgroup, mount
AF_UNIX, TIOCSTI, TIOCLINUX = 1, 0x5412, 0x541C
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
X32 = 0x40000000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE = {"x86_64": 56, "aarch64": 220}
IOCTL = {"x86_64": 16, "aarch64": 29}
SOCKET = {"x86_64": 41, "aarch64": 198}
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
MMAP = {"x86_64": 9, "aarch64": 222}
SETSOCKOPT = {"x86_64": 54, "aarch64": 208}
BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE
CLONE3 = 435
REFUSED = {
    # name: (x86_64, aarch64)
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "swapon": (167, 224),
    "swapoff": (168, 225), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "unshare": (272, 97), "setns": (308, 268), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "acct": (163, 89), "syslog": (103, 116), "quotactl": (179, 60), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266), "personality": (135, 92),
    # memory that neither the size of /tmp nor resident sizes show
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "vmsplice": (278, 75),
}  # fmt: skip


def program(*, gpu: bool = False) -> bytes:
    """The filter for this machine.

    With `gpu`, anonymous shared memory is allowed, which CUDA pins, and which no process's resident size need show.

    Raises:
        KeyError: for a machine whose numbers are not listed.
    """
    name = platform.machine()
    if name not in ARCHITECTURES:
        raise KeyError(name)
    column = list(ARCHITECTURES).index(name)
    refuse = REFUSE | errno.EPERM
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[name]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if name == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for numbers in REFUSED.values():
        lines += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, refuse)]
    lines += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    lines += [(EQUAL, 0, 4, CLONE[name]), (LOAD, 0, 0, ARGUMENT_0), (ANY_BIT, 0, 1, NEW_NAMESPACES)]
    lines += [(RETURN, 0, 0, refuse), (RETURN, 0, 0, ALLOW)]
    for numbers in (SOCKET, SOCKETPAIR):
        lines += [(EQUAL, 0, 4, numbers[name]), (LOAD, 0, 0, ARGUMENT_0), (EQUAL, 1, 0, AF_UNIX)]
        lines += [(RETURN, 0, 0, refuse), (RETURN, 0, 0, ALLOW)]
    which = len(BUFFER_SIZES)
    lines += [(EQUAL, 0, which + 3, SETSOCKOPT[name]), (LOAD, 0, 0, ARGUMENT_2)]
    lines += [(EQUAL, which - n, 0, option) for n, option in enumerate(BUFFER_SIZES)]
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refuse)]
    if not gpu:
        lines += [(EQUAL, 0, 5, MMAP[name]), (LOAD, 0, 0, ARGUMENT_3), (ANY_BIT, 0, 2, MAP_ANONYMOUS)]
        lines += [(ANY_BIT, 0, 1, MAP_SHARED), (RETURN, 0, 0, refuse), (RETURN, 0, 0, ALLOW)]
    lines += [(EQUAL, 0, 5, IOCTL[name]), (LOAD, 0, 0, ARGUMENT_1), (EQUAL, 1, 0, TIOCSTI), (EQUAL, 0, 1, TIOCLINUX)]
    lines += [(RETURN, 0, 0, refuse), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
