"""One run: how long, how much of both processors, how much memory, and whether everything is there after it."""

import json
import os
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Run:
    """`failed` is None or why. Memory is the client's largest process."""

    seconds: float = 0.0
    client: float = 0.0
    server: float = 0.0
    memory: int = 0
    failed: str | None = None


def measure(command, servers, limit):
    """Runs a command as a group of its own, which ends with it or at the limit (in seconds)."""
    before = sum(server.cpu() for server in servers)
    begun = time.monotonic()
    with open("contender.log", "w+b") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        late = False
        while True:
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            if not late and time.monotonic() - begun > limit:
                os.killpg(child.pid, signal.SIGKILL)
                late = True
            time.sleep(0.002)
        seconds = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(max(0, log.tell() - 300))
        words = log.read().decode(errors="replace").strip().splitlines()
    run = Run(seconds, usage.ru_utime + usage.ru_stime, sum(s.cpu() for s in servers) - before, usage.ru_maxrss)
    if late:
        run.failed = f"stopped after {limit} s"
    elif child.returncode != 0:
        run.failed = f"exit {child.returncode}: {words[-1] if words else ''}"
    return run


def content(tool, source, target):
    """Whether the target holds what the source holds, by `check --against`: None, or what does not."""
    command = [str(tool), "--format", "json", "check", "--database", source, "--against", target]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return None
    try:
        findings = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError):
        findings = []
    found = [f"{finding.get('table', '')}: {finding['text']}" for finding in findings]
    more = f"; and {len(found) - 2} more" if len(found) > 2 else ""
    return "; ".join(found[:2]) + more if found else f"check --against ended with {done.returncode}"


def median(runs, field):
    return statistics.median(getattr(run, field) for run in runs)
