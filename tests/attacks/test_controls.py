"""test_controls.py - every attack whose row says so wins without a jail: its code is no dud."""
import os

import pytest

import control
import table


@pytest.mark.root
@pytest.mark.parametrize(
    "attack", [row for row in table.rows() if row.control == table.UNJAILED], ids=str)
def test_control(control_arena, attack):
    before = control_arena.fingerprint()
    won, said = control.play(attack, control_arena)
    if won is None:
        pytest.skip("this Linux has no such system call")
    assert won, "it got nothing without a jail either:\n" + said[-3000:]
    changed = control_arena.fingerprint()
    control_arena.before = changed  # a semaphore may have been taken
    assert [before[0][:4], before[1:]] == [changed[0][:4], changed[1:]], "the host was changed"
    assert not os.path.exists("/run/attack")
