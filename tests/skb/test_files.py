"""Files are written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skb.engine import SkbError
from skb.files import write_whole

ENDLESS = """
import sys
from pathlib import Path
from skb.files import write_whole
print("writing", flush=True)
for number in range(1, 1 << 30):
    write_whole(Path(sys.argv[1]), b"%d" % (number % 10) * 1_000_000)
"""


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kept.pl"
    write_whole(path, b"one")
    path.chmod(0o640)
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["kept.pl"]


def test_a_link_leads_to_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.pl").write_bytes(b"one")
    (tmp_path / "link.pl").symlink_to("real.pl")
    write_whole(tmp_path / "link.pl", b"two")
    assert (tmp_path / "link.pl").is_symlink()
    assert (tmp_path / "real.pl").read_bytes() == b"two"


def test_whoever_is_killed_while_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.pl"
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        while not path.exists():
            pass
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        data = path.read_bytes()
        assert len(data) == 1_000_000
        assert len(set(data)) == 1


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.pl"
    write_whole(path, b"one")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SkbError, match=r"kept.pl: cannot be written: no space left on device"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["kept.pl"]


@pytest.mark.parametrize(("name", "message"), [(".", "is a folder"), ("no/such/file", "no such file or directory")])
def test_a_place_that_is_none_is_named(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SkbError, match=message):
        write_whole(tmp_path / name, b"one")
