"""From the bytes of a submitted text file to plain UTF-8 with Unix line ends, and what to tell about them."""

import codecs
import io
import re
import tokenize
from typing import NamedTuple

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_BLANK = re.compile(r"^[ \t\f]*(?:#.*)?$")
# Declared encodings that are honoured. The others Python knows are transformations (punycode, unicode_escape), some of
# them with costs far above the length of the file.
_TRUSTED_ENCODINGS = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp(125\d|437|850|866|932|936|949|950)|mac-roman|koi8-[rtu]"
    r"|gb2312|gbk|gb18030|big5|big5hkscs|shift_jis|euc_(jp|kr)"
)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
    (b"{\\rtf", "a rich-text document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"bplist", "a link or settings file of macOS"),
)
_TAB_STOP = 8
_LONGEST_TAB_CHECK = 1 << 20  # characters; the remark is a courtesy, and the loader finds the error in any case


class NotText(Exception):
    """The bytes are no text of the wanted kind. `kind` names what they are: "a PDF document"."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class SourceText(NamedTuple):
    """A text with Unix line ends and no byte order mark.

    `encoding` names what had to be repaired, and is None where Python itself would have read the file.
    """

    text: str
    encoding: str | None


def decode_source(raw: bytes, suffix: str) -> SourceText:
    """The text of a file called *`suffix` (".py", ".json", ".ipynb"). Raises NotText for anything else."""
    kind = _recognise(raw, suffix)
    if kind:
        raise NotText(kind)
    text, encoding = _decode(raw, suffix)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise NotText(f"a binary file (the first NUL character is in line {line})")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return SourceText(_declare_utf8(text) if suffix == ".py" else text, encoding)


def _recognise(raw: bytes, suffix: str) -> str | None:
    """What the bytes are, if they are plainly something else than `suffix` says."""
    for signature, kind in _SIGNATURES:
        if raw.startswith(signature):
            return kind
    if raw[2:4] == b"\r\n" and b"\0" in raw[:16]:
        return "compiled Python (.pyc)"
    start = raw[:2048].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page; from GitHub, download the raw file"
    if suffix == ".py" and start.startswith(b"{") and b'"nbformat"' in raw and b'"cells"' in raw:
        return "a Jupyter notebook; export it as Python"
    return None


def _decode(raw: bytes, suffix: str) -> tuple[str, str | None]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            text = raw[len(mark) :] if encoding == "utf-8" else raw
            return _decode_marked(text, encoding)
    guess = _unmarked_utf16(raw)
    if guess:
        return _decode_marked(raw, guess)
    declared = _declared_encoding(raw) if suffix == ".py" else None
    if declared:
        try:
            return raw.decode(declared), None
        except UnicodeDecodeError:
            pass  # the declaration is wrong, so the bytes decide
    return _decode_undeclared(raw)


def _decode_marked(raw: bytes, encoding: str) -> tuple[str, str | None]:
    """Text with a byte order mark. A few broken characters lose themselves, not the file."""
    text = raw.decode(encoding, "replace")
    if encoding == "utf-8":
        return text, "damaged UTF-8" if "\ufffd" in text else None
    return text, encoding.upper()[:6]


def _decode_undeclared(raw: bytes) -> tuple[str, str | None]:
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "Latin-1"


def _unmarked_utf16(raw: bytes) -> str | None:
    """UTF-16 without its mark: mostly ASCII, so nearly every second byte is 0 and no other one."""
    even, odd = raw[:4096:2], raw[1:4096:2]
    if len(odd) < 2:
        return None
    if odd.count(0) > 0.9 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even.count(0) > 0.9 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _find_cookie(lines: list[str]) -> tuple[int, re.Match[str]] | None:
    """Where one of the first two lines declares an encoding (PEP 263): the line's index and the match."""
    for index, line in enumerate(lines[:2]):
        match = _COOKIE.match(line)
        if match:
            return index, match
        if not _BLANK.match(line):
            return None
    return None


def _declared_encoding(raw: bytes) -> str | None:
    """The encoding that the text declares, if it is a trusted one."""
    found = _find_cookie(re.split(r"\r\n?|\n", raw[:4096].decode("latin-1"), maxsplit=2))
    if found is None:
        return None
    try:
        name = codecs.lookup(found[1][1]).name
    except LookupError:
        return None
    return name if _TRUSTED_ENCODINGS.fullmatch(name) else None


def _declare_utf8(text: str) -> str:
    """Turns a declared encoding into UTF-8, which the staged file is in. Line numbers stay."""
    lines = text.split("\n", 2)
    found = _find_cookie(lines)
    if found is None:
        return text
    index, match = found
    lines[index] = lines[index][: match.start(1)] + "utf-8" + lines[index][match.end(1) :]
    return "\n".join(lines)


def inconsistent_indentation(text: str) -> int | None:
    """The first line (from 1) that Python 3 refuses for mixing tabs and spaces in its indentation, if there is one.

    Python's own rule: two indentations must compare the same way whether a tab reaches to the next multiple of 8 or
    counts as 1. Parsing is not used: a hostile file can crash a parser.
    """
    if "\t" not in text or len(text) > _LONGEST_TAB_CHECK:
        return None
    lines = text.split("\n")
    stack = [(0, 0)]
    for number in _logical_lines(lines):
        line = lines[number - 1]
        indentation = line[: len(line) - len(line.lstrip(" \t\f"))].rpartition("\f")[2]
        width, narrow = len(indentation.expandtabs(_TAB_STOP)), len(indentation)
        while len(stack) > 1 and width < stack[-1][0]:
            stack.pop()
        if (width == stack[-1][0]) != (narrow == stack[-1][1]) or (width > stack[-1][0]) != (narrow > stack[-1][1]):
            return number
        if width > stack[-1][0]:
            stack.append((width, narrow))
    return None


def _logical_lines(lines: list[str]) -> list[int]:
    """The numbers of the lines on which a statement starts, up to the first that cannot be read as Python."""
    spaced = "\n".join(_spaces_first(line) for line in lines)
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}
    starts = []
    at_start = True
    try:
        for token in tokenize.generate_tokens(io.StringIO(spaced + "\n").readline):
            if token.type == tokenize.NEWLINE:
                at_start = True
            elif at_start and token.type not in ignored:
                starts.append(token.start[0])
                at_start = False
    except (tokenize.TokenError, SyntaxError):
        pass  # the rest is reported by the loader, as the syntax error it is
    return starts


def _spaces_first(line: str) -> str:
    """A line whose indentation has no tabs, so that the tokenizer of no Python version objects to them."""
    body = line.lstrip(" \t\f")
    return line[: len(line) - len(body)].replace("\f", "").expandtabs(_TAB_STOP) + body
