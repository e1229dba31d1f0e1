"""The demo as a newcomer runs it: every claim it prints is checked by itself, so it only has to end well."""

import os
import subprocess
import sys

import pytest

from kelpie.demo.claims import ClaimFailed, claim
from kelpie.demo.script import CACHE_FOLDER
from kelpie.demo.warehouse import fetch_archive
from kelpie.errors import EnvironmentFault


@pytest.fixture
def archive(needs):
    try:
        path = fetch_archive(os.path.expanduser(CACHE_FOLDER), lambda _: None)
    except EnvironmentFault as error:
        needs("demo-data", False, str(error))
    return path


@pytest.mark.slow
def test_the_demo_shows_the_main_job_and_ends_well(archive, tmp_path):
    assert archive
    ran = subprocess.run(
        [sys.executable, "-m", "kelpie", "demo", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "COLUMNS": "160"},
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    for shown in (
        "SkyWest Airlines",
        "killed with SIGKILL",
        "the run is completed",
        "a preference of Ada",
        "the MRR of each quarter is that of its last month",
        "equal to the cent",
        "Next",
    ):
        assert shown in ran.stdout
    assert (tmp_path / "worst-carriers.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "mrr.html").read_text().count("<svg") == 1
    assert len((tmp_path / "trajectories.jsonl").read_text().splitlines()) == 13


def test_a_claim_that_does_not_hold_ends_the_demo():
    claim(True, "water is wet")
    with pytest.raises(ClaimFailed, match="fire is wet"):
        claim(False, "fire is wet")
