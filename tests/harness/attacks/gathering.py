"""Every attack, by group: the modules in groups/ each hold a `GROUP`."""

from __future__ import annotations

import importlib
from pathlib import Path

from attacks.record import Attack

NAMES = sorted(path.stem for path in Path(__file__).with_name("groups").glob("[a-z]*.py"))
GROUPS: dict[str, tuple[Attack, ...]] = {
    name: importlib.import_module(f"attacks.groups.{name}").GROUP for name in NAMES
}


def attack_named(name: str) -> Attack:
    return next(attack for attacks in GROUPS.values() for attack in attacks if attack.name == name)
