"""A machine of its own, for tests of what hosts run: an empty root with this machine's /usr, read-only.

It has mounts, processes, control groups and a network of its own, so that programs start as they do elsewhere, on their
own ports. It vanishes with the process that made it. It needs root.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from tests.support.eventually import PATIENCE_S
from tests.support.live import ROOT

# The tests' Python and its libraries may be outside of /usr.
PYTHON = [Path(sys.base_prefix), Path(sys.prefix).resolve()]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
# In $1 is the new root. The control group keeps systemd, if it runs, from this machine's.
BEGIN = """
mount --make-rprivate /
mount -t cgroup2 none "$1"
group="$1/folio-test-$$"
mkdir "$group"
echo $$ >"$group/cgroup.procs"
umount "$1"
exec unshare --pid --net --cgroup --fork --kill-child sh -ec "$2" sh "$1" "$3"
"""
END = """
mount -t cgroup2 none "$1"
for _ in $(seq 50); do  # its processes end a moment later
  find "$1/folio-test-$2" -depth -type d -exec rmdir {} + && break
  sleep 0.1
done
"""
MAKE = """
ip link set lo up
mount -t tmpfs -o mode=755 none "$1"
cd "$1"
mkdir -p usr etc dev proc sys run srv old tmp var/tmp var/lib var/log
chmod 1777 tmp var/tmp
mount --rbind "$2/usr" usr
mount -o remount,bind,ro usr
for name in bin sbin lib lib32 lib64 libx32; do ! test -e "$2/$name" || ln -s usr/$name $name; done
mount -t tmpfs -o mode=755 none dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/shm dev/pts
mount -t tmpfs none dev/shm
mount -t devpts none dev/pts
ln -s pts/ptmx dev/ptmx
(cd "$2/etc" && cp -r --parents alternatives ld.so.* ssl nsswitch.conf login.defs adduser.conf deluser.conf pam.* \
  security "$1/etc") 2>/dev/null || true
printf 'root:x:0:0::/root:/bin/sh\\nnobody:x:65534:65534::/nonexistent:/bin/false\\n' >etc/passwd
printf 'root:x:0:\\nnogroup:x:65534:\\n' >etc/group
printf '127.0.0.1 localhost\\n' >etc/hosts
mount -t proc none proc
"""
SYSTEMD = """
mount -t sysfs none sys
mount -t cgroup2 none sys/fs/cgroup
mkdir -p etc/systemd/system
printf '[Unit]\\nDefaultDependencies=no\\n' >etc/systemd/system/bare.target
for target in network-online sysinit basic; do cp etc/systemd/system/bare.target etc/systemd/system/$target.target; done
echo 00000000000000000000000000000001 >etc/machine-id
"""
SYSTEMD_INIT = "env container=folio /lib/systemd/systemd --system --unit=bare.target --log-target=null"


class BareRoot:
    """path: the root as seen from outside of it."""

    def __init__(self, init: int) -> None:
        self._init = init
        self.path = Path(f"/proc/{init}/root")

    def command(self, *command: str) -> list[str]:
        """Return a command of this machine that runs one as root in there."""
        return ["nsenter", f"--target={self._init}", "--all", "--root", "--wdns=/", "--", *command]

    def run(self, *command: str, environment: Mapping[str, str] = {}, check: bool = True) -> str:
        """Run a command as root; return what it printed, errors included."""
        done = subprocess.run(
            self.command(*command),
            env={"PATH": PATH, "HOME": "/root", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread connect to what listens in there."""
        set_namespace = ctypes.CDLL(None, use_errno=True).setns
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self._init}/ns/net", os.O_RDONLY)
        assert set_namespace(there, 0) == 0
        try:
            yield
        finally:
            assert set_namespace(here, 0) == 0
            os.close(here)
            os.close(there)


@contextmanager
def bare_root(
    *, binds: Sequence[tuple[Path, str]] = (), before: str = "", systemd: bool = False, base: Path = Path("/")
) -> Iterator[BareRoot]:
    """Yield an empty machine.

    binds: files and folders of this machine that it sees, read-only, and where; before: commands that add to it, run
    from outside, in its root; systemd: whether that runs in it; base: another Debian's root to take /usr from, in place
    of this machine's.
    """
    with TemporaryDirectory(prefix="folio-root-") as directory:
        script = MAKE
        python = [(path, str(path)) for path in PYTHON] if base == Path("/") else []
        for source, target in [*python, *binds]:
            inside = quote(target.lstrip("/"))
            made = f"mkdir -p {inside}" if source.is_dir() else f"install -D /dev/null {inside}"
            script += f"{made}\nmount --rbind {quote(str(source))} {inside}\nmount -o remount,bind,ro {inside}\n"
        script += f"{before}\n{SYSTEMD if systemd else ''}\npivot_root . old\numount -l /old\necho made\n"
        script += f"exec {SYSTEMD_INIT if systemd else 'sleep infinity'}"
        unshare = ["unshare", "--mount", "sh", "-ec"]
        with subprocess.Popen(
            [*unshare, BEGIN, "sh", directory, script, str(base)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        ) as running:
            try:
                assert running.stdout.readline() == "made\n", "The empty root cannot be made."
                children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text()
                yield BareRoot(int(children))
            finally:
                running.kill()
                running.wait(PATIENCE_S)
                subprocess.run([*unshare, END, "sh", directory, str(running.pid)], capture_output=True)
