"""Whole or not at all, and over nothing but our own."""

import errno
import os
import pathlib
import signal

import pytest

from keras_rtd.utils import targets
from keras_rtd.utils import writing
from keras_rtd.utils.targets import Kind

POEM = Kind("a poem", lambda path: path.read_bytes().startswith(b"Roses"))
SHELF = targets.folder_of(
    "a shelf", ("index", "books/*"), lambda f: (f / "index").is_file()
)


def shelf(folder, *others):
    (folder / "books").mkdir(parents=True)
    for name in ("index", "books/one", *others):
        (folder / name).write_text("old")
    return folder


def tree(folder):
    """Everything in a folder: what it is, and its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path] = os.readlink(path)
        elif path.is_file():
            found[path] = path.read_bytes()
        else:
            found[path] = path.stat().st_mode
    return found


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "poem"
    with writing.new_file(path, POEM) as file:
        file.write(b"Roses are red")
    with (
        pytest.raises(RuntimeError, match="no more"),
        writing.new_file(path, POEM) as file,
    ):
        file.write(b"half")
        raise RuntimeError("no more")
    assert path.read_bytes() == b"Roses are red"
    assert list(path.parent.iterdir()) == [path]
    writing.write_text(path, "Roses", POEM)
    assert path.read_text() == "Roses"


def test_the_mode_is_that_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_text("")
    writing.write_text(tmp_path / "ours", "")
    modes = {p.stat().st_mode for p in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    path = shelf(tmp_path / "shelf")
    with writing.new_path(path, SHELF) as temporary:
        pathlib.Path(temporary, "index").write_text("new")
    assert [p.name for p in path.iterdir()] == ["index"]
    before = tree(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        writing.new_path(path, SHELF) as temporary,
    ):
        pathlib.Path(temporary, "index").write_text("half")
        raise KeyboardInterrupt
    assert tree(tmp_path) == before


@pytest.mark.parametrize("other", ["notes.txt", "books.txt"])
def test_a_folder_with_anything_else_is_kept(tmp_path, other):
    path = shelf(tmp_path / "shelf", other)
    with pytest.raises(ValueError, match="is not a shelf"):
        targets.check_target(path, SHELF)


def test_a_folder_with_a_link_is_kept(tmp_path):
    path = shelf(tmp_path / "shelf")
    (path / "books" / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="is not a shelf"):
        targets.check_target(path, SHELF)


def test_empty_ones_may_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    targets.check_target(tmp_path / "file", POEM)
    targets.check_target(tmp_path / "folder", SHELF)
    with pytest.raises(ValueError, match="is empty"):
        targets.check_target("", POEM)


def make_other_kinds(folder):
    """Paths that no file may replace, nor any folder."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    null = folder / "null"
    null.symlink_to("/dev/null")
    text = folder / "text"
    text.write_text("Violets")
    link = folder / "link"
    link.symlink_to(text)
    return [fifo, null, pathlib.Path("/dev/null"), text, link]


def test_other_kinds_are_refused_and_stay(tmp_path):
    paths = make_other_kinds(tmp_path)
    null, before = os.stat("/dev/null"), tree(tmp_path)
    for path in paths:
        for kind in (POEM, SHELF):
            with pytest.raises(ValueError, match=f"{path} is there already"):
                targets.check_target(path, kind)
    with pytest.raises(ValueError, match="a directory that is not a poem"):
        targets.check_target(tmp_path, POEM)
    # The second line of defence, where the writer names no kind.
    for path in paths[:2]:
        with pytest.raises(ValueError, match="a device or pipe"):
            writing.write_text(path, "x")
    assert os.stat("/dev/null") == null
    assert tree(tmp_path) == before


def test_links_are_followed_and_stay(tmp_path):
    poem, link = tmp_path / "poem", tmp_path / "link"
    link.symlink_to(poem)
    for text in ("Roses", "Roses again"):
        writing.write_text(link, text, POEM)
        assert link.is_symlink() and poem.read_text() == text


def test_inputs_are_refused(tmp_path):
    source = tmp_path / "corpus" / "a.txt"
    source.parent.mkdir()
    source.write_text("Roses")
    hard, link = tmp_path / "hard", tmp_path / "link"
    os.link(source, hard)
    link.symlink_to(source.parent)
    for target in (source, hard, source.parent, link / "a.txt", tmp_path):
        for kind in (POEM, SHELF):
            with pytest.raises(ValueError, match="is, or contains, the input"):
                targets.check_target(target, kind, [None, "s3://x", source])
    targets.check_target(source.parent / "b.txt", POEM, [source])


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "a\0b", None, 3, ["a"]],
)
def test_only_plain_names_are_taken(name):
    with pytest.raises(ValueError, match="index.json names the file"):
        targets.plain_name(name, "index.json")
    assert targets.plain_name("a-1.npy", "index.json") == "a-1.npy"


def killed(target, kind=POEM):
    """What a killed process leaves of a target."""
    before = set(target.parent.iterdir())
    process = os.fork()
    if process == 0:
        try:
            with writing.new_path(target, kind):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    (left,) = set(target.parent.iterdir()) - before
    return left


def test_leftovers_go_and_nothing_else(tmp_path):
    others = [
        tmp_path / "notes.tmp",
        tmp_path / ".keras_rtd-mine.tmp",
        tmp_path / "x.checkpoint.npz.tmp",
    ]
    for path in others:
        path.write_text("mine")
    (tmp_path / "model.tmp").mkdir()
    one, two = tmp_path / "one", tmp_path / "two"
    first, second = killed(one), killed(two, SHELF)
    # Of the same target only, where the folder need not be ours.
    writing.write_text(one, "Roses")
    assert not first.exists() and second.exists()
    third = killed(one)
    with writing.new_path(two) as living:
        writing.remove_leftovers(tmp_path)
        assert os.path.exists(living)
    assert not second.exists() and not third.exists()
    assert sorted(tmp_path.iterdir()) == sorted(
        [*others, tmp_path / "model.tmp", one, two]
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no room"),
        OSError(errno.EDQUOT, "quota"),
        # As HDF5 and TensorFlow say it.
        RuntimeError("Unable to flush (errno = 28, No space left on device)"),
    ],
)
def test_a_full_disk_is_one_line(tmp_path, error):
    with (
        pytest.raises(OSError, match="The disk is full: .*x was not") as found,
        writing.new_path(tmp_path / "x"),
    ):
        raise error
    assert "\n" not in str(found.value)
    assert found.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
