"""Every input that fuzzing has saved is played; one that fails is a crash found and not yet fixed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[3] / "fuzz"


def test_saved_inputs() -> None:
    spec = importlib.util.spec_from_file_location("message_layer", FUZZ / "message_layer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.play_saved([str(FUZZ / "corpus")]) > 100
