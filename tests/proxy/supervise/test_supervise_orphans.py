"""Real processes and signals: nobody outlives the supervisor, and it ends as it should."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from supervise_house import alive

HERE = Path(__file__).parent
PATIENCE_S = 8.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
STUBBORN = """
import sys, time
from bylaw.supervise.tether import fasten
end = fasten(int(sys.argv[2]), 0.3)
print("up", flush=True)
while True: time.sleep(0.01)
"""
INHERITABLE = """
import sys
from bylaw.supervise.tether import fasten
end = fasten(int(sys.argv[1]), 1.0)
sys.exit(end.get_inheritable())
"""
PARENT = """
import os, socket, subprocess, sys, time
ours, theirs = socket.socketpair()
command = [sys.executable, "-c", sys.argv[1], "x", str(theirs.fileno())]
child = subprocess.Popen(command, pass_fds=[theirs.fileno()])
print(child.pid, flush=True)
time.sleep(60)
"""


def wait(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def house(tmp_path):
    (tmp_path / "config").write_text("v1")
    process = subprocess.Popen(
        [sys.executable, str(HERE / "supervise_driver.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert b"serving\n" == process.stdout.readline()
    yield process, tmp_path / "events"
    process.kill()
    process.wait()
    process.stdout.close()


def pids(events):
    return [int(line.rpartition(" ")[2]) for line in events.read_text().splitlines() if " pid " in line]


def test_children_of_a_killed_supervisor_notice_and_end(house):
    process, events = house
    children = pids(events)
    assert 3 == len([pid for pid in children if alive(pid)])
    process.kill()
    wait(lambda: not any(alive(pid) for pid in children))
    assert 3 == events.read_text().count("orphaned")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_house_in_order_with_status_0(house, number):
    process, events = house
    process.send_signal(number)
    assert 0 == process.wait(PATIENCE_S)
    assert "writer 0 left" == events.read_text().splitlines()[-1]
    assert [] == [pid for pid in pids(events) if alive(pid)]


def test_children_are_out_of_reach_of_the_terminals_signals(house):
    process, events = house
    assert [] == [pid for pid in pids(events) if os.getpgid(pid) == os.getpgid(process.pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's alarm is Linux'")
def test_a_child_whose_loop_hangs_while_its_supervisor_dies_is_ended_by_the_kernel():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN], stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    child = int(parent.stdout.readline())
    assert b"up\n" == parent.stdout.readline()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(child, number)
    time.sleep(0.1)
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait(lambda: not alive(child))


def test_the_descriptor_of_the_channel_is_not_handed_on():
    ours, theirs = socket.socketpair()
    fd = theirs.fileno()
    command = [sys.executable, "-c", INHERITABLE, str(fd)]
    assert 0 == subprocess.run(command, check=False, pass_fds=[fd], env=ENVIRONMENT).returncode
    ours.close()
    theirs.close()
