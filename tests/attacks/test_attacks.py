"""test_attacks.py - every attack of the table ends as its row says, for root and for a user."""
import pytest

import table


@pytest.mark.parametrize("attack", table.rows(), ids=str)
def test_attack(arena, attack, record_property):
    record_property("ends", attack.ends)
    record_property("facts", arena.facts())
    missing = arena.missing(attack)
    if missing:
        pytest.skip(missing)
    arena.carry_out(attack)


def test_the_table_is_whole():
    rows = table.rows()
    assert len(rows) >= 80
    assert {row.ends for row in rows} == set(table.CLASSES)
    for row in rows:
        assert row.code or row.prepare, row.name
        assert row.control, row.name
