"""A row of a table is the message that it was: a replay explains a reading as the live window did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desktop.models.explanation import explain
from desktop.models.recorded import recorded_reading
from dmd_runtime import EDGES, Graph, Modality, Provenance, open_session
from tests.recording.replayable import reading_line, write_session

MADE = Provenance(
    checkpoint="sha256:00", checkpoint_name="starter", recipe="sha256:11", device="cpu", app_version="1", marks=()
)


def test_what_had_not_arrived_and_what_edges_are_pulled_to_are_told(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "ses-a", media=False)
    first, second = reading_line(0), reading_line(1)
    second |= {"settled": {"L": False, "V": True, "A": True}, "prior": first["edges"]}
    (folder / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (first, second)))
    readings = open_session(folder).readings
    before, after = (recorded_reading(readings, MADE, row) for row in (0, 1))
    assert before.prior is None
    assert set(before.settled.values()) == {True}
    assert after.settled == {Modality.LANGUAGE: False, Modality.VISUAL: True, Modality.ACOUSTIC: True}
    assert after.prior is not None
    for graph in Graph:
        wanted = [first["edges"][graph.value][str(edge)] for edge in EDGES]  # type: ignore[index]
        assert [after.prior[graph][edge] for edge in EDGES] == pytest.approx(wanted, abs=1e-7)
    assert "Still arriving when it was read" in explain(after, None, {}, 0.0)
    assert "All of the window had arrived" in explain(before, None, {}, 0.0)
