"""What a request costs on its way through Bylaw, beside the least that an aiohttp proxy can cost.

Three subjects stand before one scripted upstream at the same time: `bare` (a pass-through that looks at
nothing, the baseline), `none` (Bylaw without guards) and `all` (every guard, packs of the EU and China). They
are loaded in turn, in short slices, in another order each round, so that what the machine does in the
meantime strikes all of them; ratios are taken within a round. `direct` is the upstream itself, for what is
added. Trust ratios, not absolute times: upstream, subject and load share the machine's cores, nothing is
pinned, and a core that slept charges its wake-up to whoever is measured (`--awake` keeps the cores from it).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

from bylaw_loadtest.load import chat_target
from bylaw_loadtest.process import Process, StartError
from bylaw_loadtest.report import DIRECT, summary, table
from bylaw_loadtest.trial import (
    Sizes,
    Subject,
    TrialError,
    plain_cost,
    plain_latency,
    stream_cost,
    stream_latency,
)

BASELINE = "bare"
POLICIES = Path(__file__).parent / "policies"
# A reply of about 600 bytes; a stream of 50 events besides its end, 10 ms apart.
PLAIN = {"X-Script": json.dumps({"words": 70})}
STREAM = {"X-Script": json.dumps({"words": 48, "chunk_delay_ms": 10})}
CONFIG = """\
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0, open: true}}
data_dir: {data}
workers: 1
upstreams:
  scripted: {{url: "{upstream}"}}
routes:
  - {{match: /v1/, upstream: scripted, dialect: openai}}
deployment: {{role: deployer, purpose: [general_assistant], placed_on_market: 2026-09-01}}
jurisdictions: {{resolve: [default], default: [EU, CN]}}
policies: {{profile: {profile}, packs: [{packs}]}}
ledger: {{store: local, mode: strict}}
"""
SPIN = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"


def bylaw_command(variant: str, upstream: str, directory: Path) -> list[str]:
    """Write a configuration for Bylaw and say how to start it."""
    config = directory / f"{variant}.yaml"
    text = CONFIG.format(
        data=directory / f"{variant}-data",
        upstream=upstream,
        profile=POLICIES / f"{variant}.yaml",
        packs="builtin" if variant == "all" else "",
    )
    config.write_text(text)
    return [sys.executable, "-m", "bylaw.cli", "serve", "--config", str(config), "--announce", "json"]


def bare_command(upstream: str) -> list[str]:
    """How to start the baseline."""
    return [sys.executable, "-m", "bylaw_loadtest.bare", "--upstream", upstream]


def start_all(stack: ExitStack, directory: Path, noise: bool) -> list[Subject]:
    """Start the upstream and what stands before it; the first subject is the upstream itself."""
    upstream = Process("upstream", [sys.executable, "-m", "bylaw_loadtest.upstream"], directory)
    url = stack.enter_context(upstream).url
    commands = {BASELINE: bare_command(url)}
    for variant in ("none", "all"):
        commands[variant] = bare_command(url) if noise else bylaw_command(variant, url, directory)
    processes = [stack.enter_context(Process(name, command, directory)) for name, command in commands.items()]
    return [subject(DIRECT, upstream), *(subject(process.name, process) for process in processes)]


def subject(name: str, process: Process) -> Subject:
    """The requests to one process."""
    plain = chat_target(process.url, headers=PLAIN)
    return Subject(name, process.pid, plain, chat_target(process.url, stream=True, headers=STREAM))


def one_round(subjects: Sequence[Subject], sizes: Sizes, at: int) -> dict[str, dict[str, float]]:
    """Each kind of slice on every subject in turn, the subjects in another order each round."""
    turn = at % len(subjects)
    figures: dict[str, dict[str, float]] = {each.name: {} for each in subjects}
    for trial in (plain_cost, stream_cost, plain_latency, stream_latency):
        for each in (*subjects[turn:], *subjects[:turn]):
            figures[each.name] |= trial(each, sizes)
    return figures


@contextmanager
def awake(wanted: bool) -> Iterator[None]:
    """Keep every core from sleeping with a loop that runs only when nothing else wants to."""
    spinners = [Popen([sys.executable, "-c", SPIN]) for _ in range((os.cpu_count() or 1) if wanted else 0)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> list[dict[str, dict[str, float]]]:
    """Start, warm up, measure, stop."""
    sizes = Sizes(options.slice_s)
    with tempfile.TemporaryDirectory(prefix="bylaw-bench-", dir=options.dir) as name, ExitStack() as stack:
        subjects = start_all(stack, Path(name), options.noise)
        stack.enter_context(awake(options.awake))
        say("warming up")
        one_round(subjects, Sizes(0.4), 0)
        rounds = []
        for at in range(options.rounds):
            say(f"round {at + 1} of {options.rounds}")
            rounds.append(one_round(subjects, sizes, at))
        return rounds


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of short slices: does it run at all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slice-s", type=float, default=0.8, metavar="SECONDS")
    parser.add_argument("--noise", action="store_true", help="the baseline against itself: how much is noise")
    parser.add_argument(
        "--awake", action="store_true", help="keep the cores from sleeping (SCHED_IDLE spinners)"
    )
    parser.add_argument("--dir", help="where the ledgers go; a real disk (default: the temporary folder)")
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="also write all rounds and the summary here"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.slice_s = 2, 0.5
    return options


def main() -> int:
    """Run the benchmark; exit status 1 if a subject did not start or a request failed."""
    options = arguments()
    cores = f"{os.cpu_count()} cores {'kept awake' if options.awake else 'that may sleep'}"
    busy = f"load average {os.getloadavg()[0]:.1f} before"
    try:
        rounds = measure(options, lambda text: print(text, file=sys.stderr, flush=True))
    except (StartError, TrialError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()}, {cores}, {busy}")
    print(f"{options.rounds} rounds of {options.slice_s} s slices; a wide min-max means a noisy machine")
    print(table(rounds, BASELINE))
    if options.json:
        written = {"rounds": rounds, "summary": summary(rounds, BASELINE)}
        options.json.write_text(json.dumps(written, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
