"""``pfserve fetch-encodings`` with tokenisers of the test's own: nothing here needs the internet."""

from __future__ import annotations

import base64
import hashlib

import pytest
import tiktoken.load
from click.testing import CliRunner

from pfserve.cli import main
from pfserve.llm.encodings import loaded, preload
from small_encoding import RANKS, URL, registered

FILE = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())


@pytest.fixture
def internet(monkeypatch):
    """What tiktoken can download, by URL; anything else is out of reach."""
    found = {}

    def read(path):
        if path not in found:
            raise ConnectionError(f"cannot reach {path}\nwith more lines")
        return found[path]

    monkeypatch.setattr(tiktoken.load, "read_file", read)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    return found


def run(*arguments):
    return CliRunner().invoke(main, ["fetch-encodings", *arguments])


def test_a_tokeniser_goes_to_the_folder_where_serving_finds_it(internet, tmp_path):
    internet[URL.format(name="one")] = FILE
    with registered("one"):
        done = run("one", "--dir", str(tmp_path / "new"))
        assert (done.exit_code, done.output) == (0, f"one: in {tmp_path / 'new'}\n")
    file = tmp_path / "new" / hashlib.sha1(URL.format(name="one").encode()).hexdigest()
    assert file.read_bytes() == FILE
    internet.clear()
    with registered("one"):
        assert preload(["one"]) == ()
        assert loaded("one") is not None


def test_a_model_s_name_means_its_tokeniser_once(internet, tmp_path):
    internet[URL.format(name="cl100k_base")] = FILE
    with registered("cl100k_base"):
        done = run("gpt-4", "gpt-35-turbo", "cl100k_base", "--dir", str(tmp_path))
    assert (done.exit_code, done.output) == (0, f"cl100k_base: in {tmp_path}\n")


def test_offline(internet, tmp_path):
    internet[URL.format(name="one")] = FILE
    with registered("one", "o200k_base", "cl100k_base"):
        done = run("--dir", str(tmp_path))
        assert done.exit_code == 1
        for name in ("o200k_base", "cl100k_base"):
            assert f"pfserve: error: {name}: cannot reach {URL.format(name=name)}\n" in done.output
        done = run("nope", "one", "--dir", str(tmp_path))
    assert done.exit_code == 1
    assert "pfserve: error: nope: Unknown encoding nope.\n" in done.output
    assert f"one: in {tmp_path}\n" in done.output


def test_without_a_folder(internet):
    done = run("one")
    assert done.exit_code == 2
    assert "give --dir DIR, or set TIKTOKEN_CACHE_DIR" in done.output
