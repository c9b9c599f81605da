"""What importing `repro` costs over an empty interpreter: `python benchmarks/bench_import.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(code: str) -> float:
    """Wall time of a fresh interpreter that runs `code`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main(rounds: int = 15) -> None:
    """Alternate the two, so that a busy machine slows both."""
    pairs = [(seconds("pass"), seconds("import repro")) for _ in range(rounds)]
    differences = [imported - empty for empty, imported in pairs]
    print(f"empty interpreter  {statistics.median(e for e, _ in pairs):.3f} s")
    print(f"import repro       +{statistics.median(differences):.3f} s (median of {rounds}, limit 0.2 s)")


if __name__ == "__main__":
    main()
