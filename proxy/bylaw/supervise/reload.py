"""A new edition for all workers, or for none.

Law of this module: two phases. Every worker compiles the candidate beside the plans that it runs; only when
all have, with the same result, it becomes the edition, and all switch. Whatever goes wrong before that
point leaves everything as it was; whatever goes wrong after it is cured by replacing the worker, which
starts with the edition. A worker that dies of compiling a candidate has refused it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bylaw import log
from bylaw.clock import Clock
from bylaw.errors import BylawError, ConfigError
from bylaw.supervise.child import Child, State, Timings
from bylaw.supervise.edition import Edition, Library, refuse_fixed


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the last reload: `none`, `ok`, `unchanged` or `refused` (then with the reason)."""

    result: str = "none"
    error: str = ""
    at_us: int = 0


class Reload:
    """Brings the workers from edition to edition.

    Attributes:
        edition: what is served, and what whoever starts shall serve.
        last: how the last reload that had something to do ended.
        counts: reloads by result.
    """

    def __init__(
        self,
        edition: Edition,
        library: Library,
        workers: Callable[[], list[Child]],
        timings: Timings,
        clock: Clock,
    ) -> None:
        self.edition, self.last = edition, Outcome()
        self.counts = {"ok": 0, "refused": 0}
        self._library, self._workers, self._timings, self._clock = library, workers, timings, clock

    async def run(self, *, force: bool) -> Outcome:
        """Capture the files and bring them to all workers.

        Args:
            force: compile again even if no file changed: a secret or the environment may have.
        """
        try:
            snapshot = await asyncio.to_thread(self._library.capture)
        except (BylawError, OSError) as error:
            return self._note("refused", str(error))
        if not force and snapshot == self.edition.snapshot:
            return self._unchanged()
        return await self._bring(snapshot)

    async def renew(self) -> Outcome:
        """Compile the same files again, for a new day: what is in force depends on the date."""
        return await self._bring(self.edition.snapshot)

    def learn_digest(self, generation: int, digest: str) -> None:
        """Note what a worker compiled at start; the first edition was not prepared by any."""
        if self.edition.generation == generation and not self.edition.digest:
            self.edition = replace(self.edition, digest=digest)

    async def catch_up(self, child: Child) -> None:
        """Bring the edition to a worker that started with an older one.

        Raises:
            BylawError: it could not switch.
        """
        while child.generation != self.edition.generation:
            edition = self.edition
            prepared = await child.ask("prepare", self._timings.prepare_s, snapshot=edition.snapshot)
            await child.ask("commit", self._timings.commit_s, digest=prepared.get("digest", ""))
            child.generation = edition.generation

    async def _bring(self, snapshot: Mapping[str, Any]) -> Outcome:
        try:
            await self._switch(snapshot)
        except BylawError as error:
            return self._note("refused", str(error))
        except Exception as error:  # whatever a configuration stumbles over, the old plans stay
            log.get("supervise").error("bug", exc_info=error)
            return self._note("refused", f"bug: {type(error).__name__}; the log has the place")
        return self._note("ok")

    async def _switch(self, snapshot: Mapping[str, Any]) -> None:
        facts = await asyncio.to_thread(self._library.check, snapshot)
        refuse_fixed(self.edition.facts, facts)
        workers = self._running()
        digest = await self._prepare(workers, snapshot)
        self.edition = Edition(self.edition.generation + 1, snapshot, facts, digest)
        await asyncio.gather(*(self._commit(child, digest) for child in workers))
        await asyncio.gather(*(self._overtake(child) for child in self._running()))

    def _running(self) -> list[Child]:
        return [child for child in self._workers() if child.state is State.RUNNING]

    async def _prepare(self, workers: list[Child], snapshot: Mapping[str, Any]) -> str:
        asked = (child.ask("prepare", self._timings.prepare_s, snapshot=snapshot) for child in workers)
        replies = await asyncio.gather(*asked, return_exceptions=True)
        refusals = [reply for reply in replies if isinstance(reply, BaseException)]
        digests = {str(reply.get("digest", "")) for reply in replies if not isinstance(reply, BaseException)}
        if not refusals and len(digests) <= 1:
            return digests.pop() if digests else ""
        await asyncio.gather(
            *(child.ask("abort", self._timings.commit_s) for child in workers), return_exceptions=True
        )
        # The operator's mistake says more than that some worker died of it.
        mistakes = [refusal for refusal in refusals if isinstance(refusal, ConfigError)]
        raise next(
            iter(mistakes + refusals), ConfigError("the workers compiled different plans; reload again")
        )

    async def _commit(self, child: Child, digest: str) -> None:
        generation = self.edition.generation
        try:
            await child.ask("commit", self._timings.commit_s, digest=digest)
            child.generation = generation
        except BylawError as error:
            log.get("supervise").warning("commit_failed", child=child.name, exc_info=error)

    async def _overtake(self, child: Child) -> None:
        """Whoever failed to switch, or became ready between the two phases, gets one more chance."""
        try:
            await self.catch_up(child)
        except BylawError as error:
            log.get("supervise").error("edition_missed", child=child.name, exc_info=error)
            child.kill()

    def _unchanged(self) -> Outcome:
        outcome = Outcome("unchanged", at_us=self._clock.wall_us())
        if self.last.result == "refused":  # the operator took the refused edit back
            self.last = outcome
        return outcome

    def _note(self, result: str, error: str = "") -> Outcome:
        self.last = Outcome(result, error, self._clock.wall_us())
        self.counts[result] += 1
        note = log.get("supervise").error if error else log.get("supervise").info
        note("reload", result=result, error=error, generation=self.edition.generation)
        return self.last
