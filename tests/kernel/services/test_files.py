"""The file system's tree: whatever is done to it, it is as a dictionary of paths would be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.services.files import BLOCK_BYTES, Directory, FileError, FileErrorCode, FileSystem, Kind

FULL = b"x" * BLOCK_BYTES


def code(action: object, *arguments: object) -> FileErrorCode:
    with pytest.raises(FileError) as caught:
        action(*arguments)  # type: ignore[operator]
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


def test_files_are_in_directories_and_have_blocks() -> None:
    files = FileSystem()
    files.make("/home", Kind.DIRECTORY)
    files.make("/home/notes", Kind.FILE)
    first = files.write("/home/notes", 0, FULL)
    second = files.write("/home/notes", 1, b"end")
    assert second > first
    assert files.read("/home/notes", 1) == (second, b"end")
    assert files.names("/") == ["home"] and files.names("/home/") == ["notes"]
    assert files.file("/home/./notes").size == BLOCK_BYTES + 3
    assert files.remove("/home/notes")[1] == [("/home/notes", 0), ("/home/notes", 1)]


def test_what_cannot_be_done_is_told_by_barrelfish_s_names() -> None:
    files = FileSystem()
    files.make("/d", Kind.DIRECTORY)
    files.make("/d/f", Kind.FILE)
    assert code(files.look_up, "/none") is FileErrorCode.NOT_FOUND
    assert code(files.look_up, "no/slash") is FileErrorCode.NOT_FOUND
    assert code(files.look_up, "/d/../d") is FileErrorCode.NOT_FOUND
    assert code(files.make, "/d", Kind.FILE) is FileErrorCode.EXISTS
    assert code(files.make, "/", Kind.FILE) is FileErrorCode.EXISTS
    assert code(files.make, "/d/f/g", Kind.FILE) is FileErrorCode.NOT_DIRECTORY
    assert code(files.names, "/d/f") is FileErrorCode.NOT_DIRECTORY
    assert code(files.read, "/d", 0) is FileErrorCode.NOT_FILE
    assert code(files.read, "/d/f", 0) is FileErrorCode.BOUNDS
    assert code(files.write, "/d/f", 1, b"gap") is FileErrorCode.BOUNDS
    assert code(files.remove, "/d") is FileErrorCode.NOT_EMPTY
    files.write("/d/f", 0, b"short")
    assert code(files.write, "/d/f", 1, b"after a short block") is FileErrorCode.BOUNDS
    files.write("/d/f", 0, FULL)
    files.write("/d/f", 1, b"last")
    assert code(files.write, "/d/f", 0, b"short amid others") is FileErrorCode.BOUNDS


PATHS = st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/b/a", "/a/a/a"])
STEPS = st.lists(st.tuples(st.sampled_from(["file", "directory", "remove", "write"]), PATHS, st.integers(0, 3)))


@given(STEPS)
def test_it_is_as_a_dictionary_of_paths(steps: list[tuple[str, str, int]]) -> None:
    files = FileSystem()
    known: dict[str, list[bytes] | None] = {}  # None: a directory
    for what, path, number in steps:
        parent = path.rsplit("/", 1)[0]
        can = parent == "" or (parent in known and known[parent] is None)
        empty = not any(each.startswith(f"{path}/") for each in known)
        try:
            match what:
                case "file" | "directory":
                    files.make(path, Kind.FILE if what == "file" else Kind.DIRECTORY)
                    assert can and path not in known
                    known[path] = [] if what == "file" else None
                case "remove":
                    files.remove(path)
                    assert path in known and empty
                    del known[path]
                case "write":
                    data = bytes([number]) * BLOCK_BYTES
                    files.write(path, number, data)
                    blocks = known[path]
                    assert blocks is not None and number <= len(blocks)
                    blocks[number : number + 1] = [data]
        except FileError:
            blocks = known.get(path)
            assert not (what in ("file", "directory") and can and path not in known)
            assert not (what == "remove" and path in known and empty)
            assert not (what == "write" and blocks is not None and number <= len(blocks))
    for path, blocks in known.items():
        found = files.look_up(path)
        if blocks is None:
            assert isinstance(found, Directory)
        else:
            assert [files.read(path, number)[1] for number in range(len(blocks))] == blocks
