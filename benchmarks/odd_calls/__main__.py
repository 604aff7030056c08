"""Call every public function with odd arguments and count what comes of it; resumable.

``python -m benchmarks.odd_calls [--names GLOB] [--calls N] [--longest S] [--budget S] [--out F]``
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from benchmarks.odd_calls.recorder import public_names
from benchmarks.odd_calls.runner import Limits, odd_calls


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.odd_calls", description=__doc__)
    parser.add_argument("--names", default="*")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--longest", type=float, default=20.0)
    parser.add_argument("--budget", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sound-types", action="store_true", help="no None, texts, objects ...")
    parser.add_argument("--out", type=Path, default=Path("odd_calls.jsonl"))
    given = parser.parse_args()
    limits = Limits(given.longest, given.calls, given.budget, given.seed, not given.sound_types)
    done = set()
    if given.out.exists():
        done = {json.loads(line)["public"] for line in given.out.read_text().splitlines()}
    names = [name for name in public_names() if fnmatch.fnmatch(name, given.names)]
    random.Random(given.seed).shuffle(names)  # noqa: S311 -- an order
    names.sort(key=lambda name: name.rsplit(".", 1)[1][:1].isupper())  # functions first
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ODD_CALLS_FOLDER"] = folder
        for name in names:
            if name in done:
                continue
            began = time.time()
            found = odd_calls(name, limits)
            row = {"public": name, "seconds": time.time() - began}
            row["outcomes"] = [asdict(outcome) for outcome in found]
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}: {dict(Counter(outcome.outcome[:20] for outcome in found))}", flush=True)


if __name__ == "__main__":
    main()
