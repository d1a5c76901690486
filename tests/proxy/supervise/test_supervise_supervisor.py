"""What the supervisor does when children die, hang or refuse, and how it ends."""

import asyncio
import os
import signal

import pytest
from supervise_house import House, alive, until

from bylaw.errors import ConfigError
from bylaw.supervise.child import ChildError
from bylaw.supervise.supervisor import Phase


async def test_the_writer_starts_before_the_workers_and_all_get_the_same_snapshot(house):
    async with house.serving():
        assert "writer 0 start v1" == house.events()[0]
        assert ["worker 0 start v1", "worker 1 start v1"] == sorted(house.events()[1:])


async def test_the_end_drains_the_workers_first_and_stops_the_writer_last(house):
    async with house.serving():
        pass
    assert 0 == house.exit_status
    ended = house.events()[3:]
    assert ["worker 0 drain 3", "worker 0 left", "worker 1 drain 3", "worker 1 left"] == sorted(ended[:4])
    assert ["writer 0 stop", "writer 0 left"] == ended[4:]
    assert Phase.STOPPED is house.supervisor.phase


async def test_a_killed_worker_is_replaced_with_the_committed_snapshot(house):
    async with house.serving() as supervisor:
        before = house.worker(0).pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.worker(0).pid != before and house.ready())
        assert "worker 0 start v1" == house.events()[-1]
        assert {"worker": 1, "writer": 0} == supervisor.restarts


async def test_a_killed_writer_is_replaced_and_the_workers_live_on(house):
    async with house.serving() as supervisor:
        workers = [child.pid for child in supervisor.workers()]
        before = supervisor.writer.pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: supervisor.writer.pid != before and house.ready())
        assert workers == [child.pid for child in supervisor.workers()]
        assert {"worker": 0, "writer": 1} == supervisor.restarts


async def test_a_worker_that_answers_no_ping_is_killed_and_replaced(tmp_path):
    house = House(tmp_path, hang_s=0.3)
    async with house.serving():
        before = house.worker(1).pid
        house.order("hang", "worker", 1)
        await until(lambda: house.worker(1).pid != before and house.ready())


async def test_a_worker_that_is_late_to_answer_is_not_ready_even_before_it_is_killed(house):
    async with house.serving() as supervisor:
        house.order("hang", "worker", 1)
        await until(lambda: not house.worker(1).ready)
        assert 0 == supervisor.restarts["worker"]
        house.worker(1).kill()


async def test_a_worker_whose_replacement_fails_is_tried_again(house):
    async with house.serving():
        before = house.worker(0).pid
        house.order("mute", "worker", 0)
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.worker(0).pid != before and house.ready())


async def test_a_child_that_says_it_is_not_well_is_not_ready(house):
    async with house.serving() as supervisor:
        order = house.order("deaf", "writer", 0)
        await until(lambda: not supervisor.writer.ready)
        order.unlink()
        await until(lambda: supervisor.writer.ready)


async def test_a_configuration_that_a_child_refuses_at_start_is_the_operators_error(house):
    house.desk.edit("refused")
    with pytest.raises(ConfigError) as error:
        await house.build().run()
    assert "policy.yaml:7: no such guard" == str(error.value)


async def test_a_child_that_dies_at_the_first_start_ends_the_start(house):
    house.order("mute", "worker", 1)
    with pytest.raises(ChildError) as error:
        await house.build().run()
    assert "worker 1 ended with status 7 during `start`" == str(error.value)
    assert "writer 0 left" == house.events()[-1]


async def test_who_waits_for_the_house_to_serve_is_told_when_all_children_are_ready(house):
    running = asyncio.ensure_future(house.build().run())
    await asyncio.wait_for(house.supervisor.serving.wait(), 5)
    assert (Phase.SERVING, 3) == (house.supervisor.phase, len(house.events()))
    house.supervisor.request_stop()
    await running


async def test_a_signal_during_the_start_ends_it(house):
    house.order("slow", "writer", 0)
    running = asyncio.ensure_future(house.build().run())
    await until(lambda: house.supervisor.writer is not None)
    os.kill(os.getpid(), signal.SIGTERM)
    assert 0 == await running
    assert [] == house.events()


async def test_a_second_signal_ends_everything_at_once(house):
    async with house.serving() as supervisor:
        house.order("busy", "worker", 0)
        supervisor.request_stop()
        await until(lambda: "worker 0 drain 3" in house.events())
        supervisor.request_stop()
    assert 1 == house.exit_status
    assert "worker 0 left" not in house.events()


async def test_a_worker_that_does_not_finish_draining_is_killed(tmp_path):
    house = House(tmp_path, stop_s=0.3)
    house.desk.drain_s = 0.0
    async with house.serving():
        house.order("busy", "worker", 0)
        stuck = house.worker(0).pid
    assert (0, False) == (house.exit_status, alive(stuck))
    assert "worker 0 left" not in house.events()
    assert "writer 0 left" == house.events()[-1]


async def test_the_writer_is_replaced_even_while_the_workers_drain(house):
    async with house.serving() as supervisor:
        order = house.order("busy", "worker", 0)
        before = supervisor.writer.pid
        supervisor.request_stop()
        await until(lambda: "worker 0 drain 3" in house.events())
        os.kill(before, signal.SIGKILL)
        await until(lambda: supervisor.writer.pid != before and supervisor.writer.ready)
        order.unlink()
    assert "writer 0 left" == house.events()[-1]


async def test_a_worker_that_is_dead_and_not_yet_replaced_is_counted_once(tmp_path):
    house = House(tmp_path, backoff_s=5.0)
    async with house.serving() as supervisor:
        await until(lambda: all(child.stats for child in supervisor.workers()))
        os.kill(house.worker(0).pid, signal.SIGKILL)
        await until(lambda: supervisor.restarts["worker"] == 1)
        total = supervisor.totals.of(child.stats for child in supervisor.workers())
        assert (10, 1) == (total.counters["bylaw_ledger_appended", ()], total.in_flight)


async def test_counters_of_a_dead_worker_are_kept(house):
    async with house.serving() as supervisor:
        await until(lambda: all(child.stats for child in supervisor.workers()))
        before = house.worker(0).pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.worker(0).pid != before and house.ready())
        await supervisor.sample()
        total = supervisor.totals.of(child.stats for child in supervisor.workers())
        assert 15 == total.counters["bylaw_ledger_appended", ()]
        assert 2 == total.in_flight
