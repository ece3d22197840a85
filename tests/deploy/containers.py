"""Podman and buildah with storage, networks and configuration of their own, in a folder that is removed at the end:
nothing that is there before is used, and nothing stays but what was asked to be kept in `cache`. This process gets mounts of
its own, and from leave_network on a network of its own, which end with it: bridges, rules of the firewall and what was mounted.

As root, without systemd, inside a container: Docker's engine, cgroups of version 2 and user namespaces are not needed.
"""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

DEBIAN = "docker.io/library/debian:bookworm-slim"
PULL_SECONDS = 120
CLONE_NEWNS, CLONE_NEWNET = 0x0002_0000, 0x4000_0000  # <sched.h>; Python has unshare since 3.12


def unshare(what):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(what) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


class Failed(RuntimeError):
    """A program failed; str() is the end of what it said."""


class Containers:
    def __init__(self, cache):
        self.cache = Path(cache)
        self.home = Path(tempfile.mkdtemp(prefix="boxoffice-deploy."))
        # Buildah keeps its cache mounts in its folder of temporary files.
        temporary = self.cache / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self._write_configuration()
        self._leave_mounts()
        self.environment = {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(self.home / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.home / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.home / "storage.conf"),
            "DISABLE_HC_SYSTEMD": "true",
            "TMPDIR": str(temporary),
        }

    def _leave_mounts(self):
        unshare(CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        # What podman's networks keep outside of the folders that it can be told.
        for folder in ("/run/containers", "/run/netns"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)

    def leave_network(self):
        """From here on, this process and its containers reach each other and nobody else."""
        unshare(CLONE_NEWNET)
        self.run("ip", "link", "set", "lo", "up")

    def _write_configuration(self):
        # No higher than what this process may have, and than what buildah leaves to a step of a build.
        def hard(limit):
            most = resource.getrlimit(limit)[1]
            return 32_768 if most == resource.RLIM_INFINITY else min(most, 32_768)

        files, processes = hard(resource.RLIMIT_NOFILE), hard(resource.RLIMIT_NPROC)
        (self.home / "containers.conf").write_text(f"""
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
# Without events, a run in the foreground waits 20 s for nothing.
events_logger = "file"
lock_type = "file"
runtime = "runc"
tmp_dir = "{self.home}/libpod-run"
volume_path = "{self.home}/volumes"
[network]
network_backend = "netavark"
network_config_dir = "{self.home}/networks"
""")
        (self.home / "storage.conf").write_text(f"""
[storage]
driver = "overlay"
graphroot = "{self.home}/graph"
runroot = "{self.home}/graph-run"
""")
        (self.home / "registries.conf").write_text('unqualified-search-registries = ["docker.io"]\n')

    def run(self, *command, seconds=120, stdin=None, check=True, log=None, **environment):
        """What it says on stdout. `log`: a file for all that it says instead, as it may be much."""
        with open(log, "ab") if log else tempfile.TemporaryFile() as said:
            try:
                done = subprocess.run(
                    [str(word) for word in command], env={**self.environment, **environment}, timeout=seconds,
                    input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, text=True,
                    stdout=said if log else subprocess.PIPE, stderr=said)  # fmt: skip
            except subprocess.TimeoutExpired as late:
                raise Failed(f"{' '.join(map(str, command))}: not done after {seconds} s") from late
            if check and done.returncode != 0:
                if not log:
                    said.seek(0)
                ending = Path(log).read_text(errors="replace") if log else (done.stdout or "") + said.read().decode(errors="replace")
                raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{ending[-3000:]}")
        return done.stdout or ""

    def podman(self, *arguments, **options):
        return self.run("podman", *arguments, **options)

    def podman_logs(self, name):
        """All that a container has said."""
        log = self.home / "said"
        log.unlink(missing_ok=True)
        self.podman("logs", name, log=log, check=False)
        return log.read_text(errors="replace")

    def inspect(self, name):
        return json.loads(self.podman("inspect", name))[0]

    def build(self, dockerfile, tag, context, *arguments, log, seconds):
        self.run("buildah", "build", "--layers", "--format", "docker", "-f", dockerfile, "-t", tag, *arguments,
                 context, log=log, seconds=seconds)  # fmt: skip

    def can_pull(self, image):
        try:
            self.podman("pull", "-q", image, seconds=PULL_SECONDS)
            return True
        except Failed:
            return False

    def import_debian(self):
        """The base of all images: from its registry, or else made by debootstrap, and kept for a week."""
        if self.can_pull(DEBIAN):
            return "pulled"
        kept = self.cache / "debian-bookworm.tar"
        made = "kept"
        if not kept.exists() or time.time() - kept.stat().st_mtime > 7 * 86400:
            root = self.home / "debian"
            self.run("debootstrap", "--variant=minbase", "bookworm", root, seconds=900, log=self.home / "debootstrap.log")
            shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
            # What the slim image leaves out: of packages that are installed later, too.
            (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(
                "path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n")
            with tarfile.open(str(kept) + ".new", "w") as tar:
                tar.add(root, arcname=".")
            os.replace(str(kept) + ".new", kept)
            shutil.rmtree(root)
            made = "made by debootstrap"
        self.podman("import", "-q", "--change", "CMD bash", kept, DEBIAN, seconds=300)
        return made

    def remove_everything(self):
        """Also after a failure half-way. Returns what could not be removed."""
        left = []
        for arguments in (("rm", "--all", "--force", "--time", "10"), ("volume", "rm", "--all", "--force"),
                          ("network", "prune", "--force"), ("rmi", "--all", "--force")):  # fmt: skip
            try:
                self.podman(*arguments, seconds=300)
            except Failed as failure:
                left.append(str(failure))
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(str(self.home)):
                self.run("umount", "-l", line.split()[1], check=False)
        # Where podman has put its containers' control groups; those of somebody else's containers are not empty.
        self.run("find", "/sys/fs/cgroup/", "-depth", "-path", "*/libpod_parent*", "-type", "d", "-exec", "rmdir", "{}", ";",
                 check=False)  # fmt: skip
        shutil.rmtree(self.home, ignore_errors=True)
        if self.home.exists():
            left.append(f"{self.home} can't be removed")
        return left


def with_containers(flags, check):
    """What a test for real is around its checks: reads `flags`, an ArgumentParser, gives `check` containers and the options, whose
    `logs` is a folder, removes all that there is, also after a failure or a signal, and says how many passed and failed, as `check`
    has returned. Returns the exit code."""
    options = flags.parse_args()
    if os.geteuid() != 0:
        flags.error("containers are run as root")
    # A signal ends it as a failure does: everything is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    containers = Containers(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "boxoffice/deploy")
    options.logs = containers.home / "logs"
    options.logs.mkdir()
    passed, failed = 0, 1
    try:
        passed, failed = check(containers, options)
    finally:
        left = containers.remove_everything()
        for what in left:
            print(f"FAILED: nothing stays: {what}")
        print(f"{passed + (not left)} passed, {failed + bool(left)} failed", flush=True)
    return 1 if failed or left else 0
