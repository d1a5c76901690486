"""A new edition for all workers, or for none."""

import os
import signal
from datetime import date

import pytest
from supervise_house import House, until


def last(house):
    return {"result": house.supervisor.reload.last.result, "error": house.supervisor.reload.last.error}


async def test_all_workers_prepare_before_any_commits(house):
    async with house.serving() as supervisor:
        house.desk.edit("v2")
        outcome = await supervisor.reload.run(force=False)
        assert "ok" == outcome.result
        told = house.events()[3:]
        assert ["worker 0 prepare v2", "worker 1 prepare v2"] == sorted(told[:2])
        assert ["worker 0 commit v2", "worker 1 commit v2"] == sorted(told[2:])
        assert (2, {"text": "v2"}, "v2") == (
            supervisor.edition.generation,
            supervisor.edition.snapshot,
            supervisor.edition.digest,
        )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("bad", "policy.yaml:3: steps[0].use: no such guard"),
        ("deadly", "worker 0 ended with status 9 during `prepare`"),
        ("split", "the workers compiled different plans; reload again"),
        ("invalid", "config:1: unknown key"),
        ("odd", "bug: RuntimeError; the log has the place"),
    ],
)
async def test_a_refused_candidate_changes_nothing_and_says_why(house, text, error):
    async with house.serving() as supervisor:
        house.desk.edit(text)
        await supervisor.reload.run(force=False)
        await until(house.ready)
        assert {"result": "refused", "error": error} == last(house)
        assert (1, {"text": "v1"}) == (supervisor.edition.generation, supervisor.edition.snapshot)
        assert [] == [event for event in house.events() if "commit" in event]


async def test_workers_that_had_prepared_a_refused_candidate_forget_it(house):
    async with house.serving() as supervisor:
        house.desk.edit("bad")
        await supervisor.reload.run(force=False)
        assert ["worker 0 abort", "worker 1 abort"] == sorted(house.events()[-2:])


async def test_a_worker_that_died_of_a_candidate_restarts_with_the_old_edition(house):
    async with house.serving() as supervisor:
        house.desk.edit("deadly")
        await supervisor.reload.run(force=False)
        await until(lambda: house.ready() and supervisor.restarts["worker"] == 1)
        assert "worker 0 start v1" == house.events()[-1]


async def test_a_worker_that_dies_at_commit_restarts_with_the_new_edition(house):
    async with house.serving() as supervisor:
        house.order("fragile", "worker", 0)
        house.desk.edit("v2")
        outcome = await supervisor.reload.run(force=False)
        await until(lambda: house.ready() and supervisor.restarts["worker"] == 1)
        assert "ok" == outcome.result
        assert "worker 0 start v2" == house.events()[-1]


async def test_a_worker_that_was_starting_during_a_reload_catches_up_before_it_counts(house):
    async with house.serving() as supervisor:
        house.order("slow", "worker", 0)
        before = house.worker(0).pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.worker(0).pid != before)
        house.desk.edit("v2")
        await supervisor.reload.run(force=False)
        assert ["worker 1 prepare v2", "worker 1 commit v2"] == house.events()[3:5]
        await until(house.ready)
        assert ["worker 0 start v1", "worker 0 prepare v2", "worker 0 commit v2"] == house.events()[5:]
        assert [2, 2] == [child.generation for child in supervisor.workers()]


async def test_a_worker_that_became_ready_between_the_phases_is_brought_along(house):
    async with house.serving() as supervisor:
        house.order("slow", "worker", 0)
        house.order("ponder", "worker", 1)
        before = house.worker(0).pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: house.worker(0).pid != before)
        house.desk.edit("v2")
        await supervisor.reload.run(force=False)
        assert [
            "worker 1 prepare v2",
            "worker 0 start v1",
            "worker 1 commit v2",
            "worker 0 prepare v2",
            "worker 0 commit v2",
        ] == house.events()[3:]
        assert ([2, 2], 1) == (
            [child.generation for child in supervisor.workers()],
            supervisor.restarts["worker"],
        )


async def test_a_worker_that_refuses_to_commit_gets_one_more_chance(house):
    async with house.serving() as supervisor:
        house.order("refuse", "worker", 0)
        house.desk.edit("v2")
        await supervisor.reload.run(force=False)
        assert ["worker 0 prepare v2", "worker 0 commit v2"] == house.events()[-2:]
        assert ([2, 2], 0) == (
            [child.generation for child in supervisor.workers()],
            supervisor.restarts["worker"],
        )


async def test_a_worker_that_never_commits_is_replaced_by_one_with_the_new_edition(house):
    async with house.serving() as supervisor:
        order = house.order("never", "worker", 0)
        house.desk.edit("v2")
        await supervisor.reload.run(force=False)
        order.unlink()
        await until(lambda: house.ready() and supervisor.restarts["worker"] == 1)
        assert "worker 0 start v2" == house.events()[-1]


@pytest.mark.parametrize("key", ["listen", "data_dir"])
async def test_a_change_of_what_is_fixed_needs_a_restart(house, key):
    async with house.serving() as supervisor:
        house.desk.edit("v2")
        house.desk.fixed[key] = "other"
        await supervisor.reload.run(force=False)
        assert {"result": "refused", "error": f"a change of {key} needs a restart"} == last(house)


async def test_files_that_say_the_same_are_not_brought_to_the_workers(house):
    async with house.serving() as supervisor:
        outcome = await supervisor.reload.run(force=False)
        assert ("unchanged", 3) == (outcome.result, len(house.events()))


async def test_a_forced_reload_compiles_even_what_did_not_change(house):
    async with house.serving() as supervisor:
        outcome = await supervisor.reload.run(force=True)
        assert ("ok", 2) == (outcome.result, supervisor.edition.generation)


async def test_an_edit_that_was_taken_back_is_no_longer_shown_as_refused(house):
    async with house.serving() as supervisor:
        house.desk.edit("bad")
        await supervisor.reload.run(force=False)
        house.desk.edit("v1")
        await supervisor.reload.run(force=False)
        assert {"result": "unchanged", "error": ""} == last(house)


async def test_a_file_that_cannot_be_read_refuses_the_reload(house):
    async with house.serving() as supervisor:
        house.desk.file.unlink()
        await supervisor.reload.run(force=False)
        assert "refused" == supervisor.reload.last.result


async def test_an_edited_file_is_noticed(tmp_path):
    house = House(tmp_path, watch=True)
    async with house.serving() as supervisor:
        house.desk.edit("v2, edited")
        await until(lambda: supervisor.reload.last.result == "ok")
        assert {"text": "v2, edited"} == supervisor.edition.snapshot


async def test_sighup_reloads(house):
    async with house.serving() as supervisor:
        house.desk.edit("v2")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: supervisor.edition.generation == 2)
        assert {"text": "v2"} == supervisor.edition.snapshot


class Calendar:
    """A clock whose day the test turns."""

    def __init__(self):
        self.day = date(2026, 8, 1)

    def monotonic_ns(self):
        return 0

    def wall_us(self):
        return 1_785_542_400_000_000

    def today(self):
        return self.day


async def test_a_new_day_compiles_the_served_files_again_and_reads_none(tmp_path):
    house = House(tmp_path, clock=Calendar())
    async with house.serving() as supervisor:
        house.desk.edit("bad")
        house.clock.day = date(2026, 8, 2)
        await until(lambda: supervisor.edition.generation == 2)
        assert {"text": "v1"} == supervisor.edition.snapshot
