"""Records made up for tests."""

from __future__ import annotations

from pathlib import Path

import msgspec

from repro.criterion.constructors import all_of, at_most, higher
from repro.criterion.verdict import Verdict
from repro.machine.environment import Machine, Software, Source
from repro.machine.telemetry import Usage
from repro.paper import Paper, Reported
from repro.record.record import ClaimPart, ImplementationPart, Record, SamplePart, TrialPart, seal
from repro.record.store import Store

EACH = 6  # records that each of several writers adds
MACHINE = Machine(cpu="Test CPU", cores=2, isa="AVX2", arch="x86_64", memory_bytes=1 << 34, os="Linux 6")
SOFTWARE = Software(repro="0.1.0", python="3.11", torch=None, numpy="2.0", scipy=None, numba=None, threads=1)


def make_record(
    number: int = 0,
    *,
    paper: str = "toy2020",
    name: str = "a-claim",
    implementation: str = "reference",
    **changes: object,
) -> Record:
    """A sealed record; another `number` gives another second of creation and another estimate."""
    reported = Reported(8, "%", "Table 6")
    record = Record(
        created=f"2026-01-{number // 3600 % 28 + 1:02}T{number // 60 % 24:02}:{number % 60:02}:00Z",
        paper=Paper(key=paper, title="A title with an é", authors=("A. Author",), year=2020),
        claim=ClaimPart(
            id=f"{paper}/{name}@1",
            name=name,
            version=1,
            digest="sha256:" + "a" * 64,
            says="it rises",
            place="Table 6",
            criterion=all_of(higher(by=1), at_most(reported)),
            reported=(reported,),
            tier="cpu",
            evidence="reduced",
        ),
        implementation=ImplementationPart(
            kind="reference" if implementation == "reference" else "submission",
            name=implementation,
            key=paper,
            source="b" * 64,
        ),
        samples=(
            SamplePart(arm="deep", measurement="error", unit="%", seeds=(0, 1), values=(1, None)),
            SamplePart(arm="deep", measurement="loss", unit="nats", seeds=(0,), values=((2, None),), x=(1, 10)),
        ),
        verdict=Verdict(status="holds", estimate=float(number), interval=(-1, 3), n=2, unit="%", reason="rises by 1"),
        word="supported",
        trials=(
            TrialPart(
                key="c" * 64,
                arm="deep",
                seed=0,
                preset="p",
                config={"depth": 20, "rate": 1e-3, "name": "é"},
                usage=Usage(wall_s=1.5, cpu_s=1, peak_rss_bytes=100, energy_method="none: test"),
                cached=False,
            ),
        ),
        machine=MACHINE,
        software=SOFTWARE,
        source=Source(commit="0" * 40, dirty=False),
        command="repro run toy2020",
    )
    return seal(msgspec.structs.replace(record, **changes))


def write_some(root: str, url: str | None, writer: int) -> None:
    """What one of many processes does: add its own records, and one that all of them add."""
    store = Store(Path(root), url)
    for number in range(EACH):
        store.add(make_record(100 * writer + number))
    store.add(make_record(99_999))
