"""What the control plane is told."""

import os
import signal

from supervise_house import until

from bylaw.supervise.report import Report


async def test_a_house_that_serves_is_ready(house):
    async with house.serving() as supervisor:
        assert (
            True,
            {
                "ready": True,
                "phase": "serving",
                "workers": {"ready": 2, "wanted": 2},
                "writer": "ready",
                "reload": {"result": "none"},
            },
        ) == Report(supervisor, 2).readiness()


async def test_a_house_is_not_ready_before_the_start_and_after_the_end(house):
    report = Report(house.build(), 2)
    assert (False, "new") == (report.readiness()[0], report.readiness()[1]["phase"])
    async with house.serving() as supervisor:
        pass
    assert (False, "stopped") == (Report(supervisor, 2).readiness()[0], supervisor.phase.value)


async def test_a_house_without_its_writer_is_not_ready(house):
    async with house.serving() as supervisor:
        house.order("slow", "writer", 0)
        os.kill(supervisor.writer.pid, signal.SIGKILL)
        await until(lambda: not Report(supervisor, 2).readiness()[0])
        assert "unavailable" == Report(supervisor, 2).readiness()[1]["writer"]
        await until(house.ready)


async def test_a_refused_reload_is_shown_and_the_house_stays_ready(house):
    async with house.serving() as supervisor:
        house.desk.edit("bad")
        await supervisor.reload.run(force=False)
        ready, facts = Report(supervisor, 2).readiness()
        assert (True, "refused") == (ready, facts["reload"]["result"])
        assert {"result", "at"} == facts["reload"].keys()


async def test_the_reason_of_a_refusal_is_told_with_the_policies(house):
    async with house.serving() as supervisor:
        house.desk.edit("bad")
        await supervisor.reload.run(force=False)
        told = Report(supervisor, 2).policies()
        assert ("default", 1, "v1") == (told["profile"], told["generation"], told["digest"])
        assert "policy.yaml:3: steps[0].use: no such guard" == told["last_reload"]["error"]


async def test_metrics_are_read_from_the_workers(house):
    async with house.serving() as supervisor:
        text = (await Report(supervisor, 2).metrics()).decode()
        assert "bylaw_ledger_appended_total 10.0" in text.splitlines()
        assert "bylaw_workers_ready 2.0" in text.splitlines()
