"""All rows, by id."""

from __future__ import annotations

from benchmarks.ledger.row import Row
from benchmarks.ledger.worlds import (
    causes,
    counts,
    couplings,
    lattices,
    laws,
    motion,
    pictures,
    walls,
)

WORLDS = (counts, couplings, pictures, causes, laws, motion, walls, lattices)
ROWS: dict[str, Row] = {row.id: row for module in WORLDS for row in module.ROWS}
