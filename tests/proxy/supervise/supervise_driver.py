"""A supervisor of fake children in a process of its own, to be signalled: `supervise_driver.py FOLDER`.

Its configuration is FOLDER/config; it prints `serving` once it serves.
"""

import asyncio
import sys
from pathlib import Path

from bylaw import log
from bylaw.supervise.child import Timings, launch
from bylaw.supervise.edition import Facts, first_edition
from bylaw.supervise.port import reserve
from bylaw.supervise.supervisor import Phase, Supervisor

HERE = Path(__file__).parent
TIMINGS = Timings(ping_s=0.05, poll_s=0.05, backoff_s=0.02, stop_s=2.0)


class Folder:
    def __init__(self, folder):
        self.folder = folder

    def capture(self):
        return {"text": (self.folder / "config").read_text()}

    def check(self, snapshot):
        return Facts(files=(str(self.folder / "config"),), drain_s=3)


async def main(folder):
    log.configure("error")

    async def spawn(role, index):
        command = (sys.executable, "-S", str(HERE / "supervise_fake_child.py"), str(folder), role, str(index))
        return await launch(f"{role} {index}", command, TIMINGS)

    library = Folder(folder)
    supervisor = Supervisor(
        spawn=spawn,
        library=library,
        edition=first_edition(library),
        port=reserve("127.0.0.1", 0),
        workers=2,
        context={},
        timings=TIMINGS,
        watch=False,
    )
    running = asyncio.ensure_future(supervisor.run())
    while supervisor.phase is not Phase.SERVING and not running.done():
        await asyncio.sleep(0.01)
    print("serving", flush=True)
    return await running


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))
