"""A port for a server that a test starts seconds later: as src/testing/free_port.h takes one."""

import random
import socket

TAKEN = []


def free_port():
    """One of 127.0.0.1 below those that the kernel gives to outgoing connections. It is this process's until it ends: the UDP port of
    that number stays bound, by which other tests see that it is taken."""
    for port in random.sample(range(10_100, 30_100), 1_000):
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            taken.bind(("127.0.0.1", port))
            with socket.socket() as free:
                free.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
            continue
        TAKEN.append(taken)
        return port
    raise AssertionError("no port is free")
