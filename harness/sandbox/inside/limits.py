"""What a submission may use: one type, from which the jail, the worker and the broker take their ceilings."""

from __future__ import annotations

from typing import Annotated

import msgspec

from repro.errors import ReproError

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ceilings of one trial.

    Attributes:
        wall_s: seconds from the first request to the last answer, by the broker's clock.
        memory_bytes: of all processes together, with what the kernel holds for them, and room for files beside it.
        processes: processes and threads at once.
        scratch_bytes: files in /tmp and /dev/shm, which are one folder; they vanish with the trial.
        message_bytes: one answer.
        output_bytes: what it may print in all.
        gpus: how many GPUs it needs, 0 or 1.
    """

    wall_s: Positive = 1800
    memory_bytes: Positive = 4 << 30
    processes: Positive = 256
    scratch_bytes: Positive = 256 << 20
    message_bytes: Positive = 256 << 20
    output_bytes: Positive = 16 << 20
    gpus: Annotated[int, msgspec.Meta(ge=0, le=1)] = 0

    def within(self, ceiling: Limits) -> Limits:
        """These limits, if the ceiling grants them.

        Raises:
            ReproError: for the first one that asks for more.
        """
        for name in self.__struct_fields__:
            asked, most = getattr(self, name), getattr(ceiling, name)
            if asked > most:
                raise ReproError(
                    f"submission.toml asks for {name} = {asked:,}, and this harness grants at most {most:,}",
                    f"Ask for less under [limits], or leave {name} out.",
                )
        return self


CEILING = Limits(
    wall_s=48 * 3600,
    memory_bytes=64 << 30,
    processes=1024,
    scratch_bytes=4 << 30,
    message_bytes=1 << 30,
    output_bytes=64 << 20,
    gpus=1,
)
"""The most that the harness grants."""
