"""Source files come in every encoding; they leave as plain UTF-8, or as the name of what they really are."""

import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autograder.source_text import NotText, decode_source, inconsistent_indentation

CALM = settings(deadline=None, database=None, derandomize=True)  # a slow machine is no failure
TEXT = "# déjà vu\nx = 'é'\n"


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (TEXT.encode(), None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.replace("\n", "\r\n").encode(), None),
        (TEXT.replace("\n", "\r").encode(), None),
        (TEXT.encode("latin-1"), "Windows-1252"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-32"), "UTF-32"),
    ],
)
def test_every_usual_encoding_gives_the_same_text(raw, encoding):
    assert decode_source(raw, ".py") == (TEXT, encoding)


def test_bytes_that_windows_does_not_define_are_latin_1():
    assert decode_source(b"# \x81\n", ".py") == ("# \x81\n", "Latin-1")


def test_a_broken_character_after_a_mark_does_not_lose_the_file():
    assert decode_source(b"\xef\xbb\xbfx = 1 # \xff\n", ".py") == ("x = 1 # \ufffd\n", "damaged UTF-8")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "#!/usr/bin/env python\n"])
def test_a_declared_encoding_is_honoured_and_becomes_utf8(before, newline):
    source = f"{before}# -*- coding: latin-1 -*-\nx = '\xe9'\n"
    text, encoding = decode_source(source.replace("\n", newline).encode("latin-1"), ".py")
    assert (text, encoding) == (source.replace("latin-1", "utf-8"), None)


def test_a_declaration_below_code_is_none():
    source = "x = 1\n# coding: latin-1\n"
    assert decode_source(source.encode(), ".py").text == source


def test_a_wrong_declaration_yields_to_the_bytes():
    assert decode_source("# coding: ascii\nx = 'é'\n".encode(), ".py") == ("# coding: utf-8\nx = 'é'\n", None)


@pytest.mark.parametrize("name", ["punycode", "unicode_escape", "rot13", "zlib", "no-such-thing", "x" * 3000])
def test_a_declared_transformation_is_not_run(name):
    assert decode_source(f"# coding: {name}\nx = '\\x41'\n".encode(), ".py").text == "# coding: utf-8\nx = '\\x41'\n"


def test_only_python_declares_encodings():
    raw = b"# coding: latin-1\n\xc3\xa9"
    assert decode_source(raw, ".json").text == "# coding: latin-1\né"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"{\\rtf1\\ansi x = 1}", "rich-text"),
        (b"\n<!DOCTYPE html><html>", "raw file"),
        (b'{"cells": [], "nbformat": 4}', "notebook"),
        (b"\xa7\r\r\n\x00\x00\x00\x00", "compiled"),
        (b"x = 1\ny = 2\nz\x00\n", "line 3"),
        (bytes(range(256)), "binary"),
    ],
)
def test_what_is_no_source_is_named(raw, words):
    with pytest.raises(NotText, match=words):
        decode_source(raw, ".py")


def test_a_notebook_under_its_own_name_is_text():
    assert decode_source(b'{"cells": [], "nbformat": 4}', ".ipynb").encoding is None


@settings(CALM)
@given(st.binary(max_size=60), st.sampled_from([".py", ".json", ".ipynb"]))
def test_any_bytes_give_clean_text_or_a_name(raw, suffix):
    try:
        text, _ = decode_source(raw, suffix)
    except NotText as error:
        text = error.kind
    assert text == text.replace("\r", "").replace("\0", "")
    assert text.encode("utf-8") or not raw.strip()


# ----------------------------------------------------------------------------------------------------------- tabs


def test_the_mixed_line_is_found():
    assert inconsistent_indentation("if x:\n        a = 1\n\tb = 2\n") == 3


@pytest.mark.parametrize(
    "source",
    [
        "if x:\n\ta = 1\n\tb = 2\n",
        "if x:\n    a = 1\nelse:\n\tb = 2\n",
        "if x:\n    a = (1,\n\t2)\n    b = 2\n",
        "if x:\n    a = '''\n\t'''\n    b = 2\n",
        "if x:\n    a = 1\n\t# a comment\n\n\t\n    b = 2\n",
        "a = 1 # \t\n",
    ],
)
def test_tabs_that_python_accepts_are_accepted(source):
    compile(source, "source", "exec")
    assert inconsistent_indentation(source) is None


def test_a_syntax_error_elsewhere_hides_nothing_before_it():
    assert inconsistent_indentation("if x:\n        a = 1\n\tb = 2\n'''") == 3


INDENTATIONS = st.lists(st.sampled_from(["", "    ", "        ", "\t", "    \t", "\t    ", "\t\t", "\f\t"]), max_size=7)


def pythons_verdict(source: str) -> int | None:
    """The line that Python's own parser refuses for its tabs; 0 where it meets another fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "source", "exec")
    except TabError as error:
        return error.lineno
    except SyntaxError:
        return 0
    return None


@settings(CALM)
@given(INDENTATIONS)
def test_python_agrees_on_which_sources_mix(indentations):
    source = "if x:\n" + "".join(f"{indentation}if x: pass\n" for indentation in ["\t", *indentations])
    verdict = pythons_verdict(source)
    assume(verdict != 0)
    assert inconsistent_indentation(source) == verdict
