"""Coverage-guided fuzzing of the message layer: random bytes as a client's and as a target's messages.

    python fuzz/message_layer.py fuzz/corpus

The first byte of an input chooses who speaks and where the bytes are cut. What must hold for any bytes at
all: nothing is raised, nothing is logged as a bug, a strict reader understands what the other side is sent,
and the same bytes in one piece and in two mean the same.

Without ``atheris`` each saved input is played once; that is also how a crash is looked at.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.compat.wire.corpus import OPTIONS, StrictTarget, work
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage

# Longer inputs only repeat what shorter ones show, more slowly.
_INPUT_BYTES_MAX = 4096
_TARGET_SPEAKS = 0x80
_STREAMED = 0x40
_CUT_MASK = 0x3F


def play_client(raw: bytes, cut: int, streamed: bool) -> list[bytes]:
    """Send bytes as a client; return the bodies that targets have understood."""
    stage = Stage(options=OPTIONS, service={"retries": 0}, route={"request_buffering": not streamed})
    client = stage.connect()
    targets: list[StrictTarget] = []
    for piece in filter(None, (raw[:cut], raw[cut:])):
        client.send(piece)
        while stage.is_dialling:
            targets.append(StrictTarget(stage.accept()))
            work(targets)
        work(targets)
    client.finish()
    assert not stage.bugs, stage.bugs[0].getMessage()
    return [seen.body for target in targets for seen in target.seen]


def play_target(raw: bytes, cut: int) -> int:
    """Send bytes as a target's answer; return the client's status, 0 when there was no whole answer."""
    stage = Stage(service={"retries": 0})
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    for piece in filter(None, (raw[:cut], raw[cut:])):
        if not target.is_closed:
            target.send(piece)
    target.finish()
    assert not stage.bugs, stage.bugs[0].getMessage()
    if client.transport.was_aborted:
        return 0
    status = client.read_response().status
    assert client.receive() == b"", "more than one answer"
    return 0 if status == 502 else status


def play_input(data: bytes) -> None:
    """Play one input, whole and cut."""
    if not data or len(data) > _INPUT_BYTES_MAX:
        return
    choice, raw = data[0], data[1:]
    cut = (choice & _CUT_MASK) * max(1, len(raw) // _CUT_MASK)
    if choice & _TARGET_SPEAKS:
        assert play_target(raw, cut) == play_target(raw, len(raw))
    else:
        streamed = bool(choice & _STREAMED)
        assert play_client(raw, cut, streamed) == play_client(raw, len(raw), streamed)


def play_saved(folders: list[str]) -> int:
    """Play every saved input; return how many there were."""
    files = sorted(file for folder in folders for file in Path(folder).rglob("*") if file.is_file())
    for file in files:
        play_input(file.read_bytes())
    return len(files)


def main() -> None:
    """Fuzz if atheris is there, else play what is saved."""
    try:
        # By name, because it is no dependency and has no types.
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        count = play_saved([argument for argument in sys.argv[1:] if not argument.startswith("-")])
        sys.stdout.write(f"played {count} saved inputs; install atheris to find new ones\n")
        return
    atheris.instrument_all()
    atheris.Setup(sys.argv, play_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
