"""How long a program waits for umi before it does anything: imports in fresh processes, less Python's own start.

python -m benchmarks.imports [--runs 20]
"""

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = ("import umi", "from umi import Memory", "from umi.sync import Memory", "import umi.serve.client")


def start_ms(code: str) -> float:
    """Wall time of a fresh Python that runs `code` and nothing else."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    start_ms("import umi.serve.client")  # compiles what isn't, and warms the disk's cache
    measured: dict[str, list[float]] = {code: [] for code in ("pass", *STATEMENTS)}
    for _ in range(runs):  # in turns, so that a busy moment touches each alike
        for code, found in measured.items():
            found.append(start_ms(code))
    base_ms = statistics.median(measured["pass"])
    print(f"Python's own start: {base_ms:.0f} ms (median of {runs})")
    for code in STATEMENTS:
        median_ms, best_ms = statistics.median(measured[code]) - base_ms, min(measured[code]) - min(measured["pass"])
        print(f"{code:<32} {median_ms:6.0f} ms median {best_ms:6.0f} ms best")


if __name__ == "__main__":
    main()
