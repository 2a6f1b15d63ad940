"""From bytes to text: is it text at all, and in which encoding."""

from __future__ import annotations

import codecs
from typing import Final, NamedTuple

from charset_normalizer import from_bytes

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"
_MAX_CONTROL_SHARE: Final = 0.02
_SAMPLE_BYTES: Final = 65_536
_WESTERN: Final = "cp1252"
_LEGACY: Final = [
    *(_WESTERN, "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
]


class DecodedText(NamedTuple):
    text: str
    encoding: str


def decode_marked(data: bytes) -> DecodedText | None:
    """Text by its byte order mark or as UTF-8, which is nearly all of it; None when it is neither, or binary."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data, encoding)
    if is_binary(data):
        return None
    return _decode(data, "utf-8")


def detect_text(data: bytes) -> DecodedText | None:
    """Text in an encoding of the time before UTF-8, found by its statistics; None for binary data.

    Where the bytes fit the Western encoding no worse than another, the Western one it is.
    """
    if is_binary(data):
        return None
    if damaged := _damaged_utf8(data):
        return damaged
    found = from_bytes(_sample(data), cp_isolation=_LEGACY)
    best = found.best()
    if best is None:
        return _decode(data, _WESTERN) or _decode(data, "latin-1")
    western = any(
        _WESTERN in match.could_be_from_charset and match.chaos <= best.chaos and match.coherence >= best.coherence
        for match in found
    )
    order = (_WESTERN, best.encoding) if western else (best.encoding, _WESTERN)
    return next((text for name in (*order, "latin-1") if (text := _decode(data, name)) is not None), None)


def is_binary(data: bytes) -> bool:
    """Whether bytes without a byte order mark can't be text: they hold NUL, or many control characters."""
    if b"\0" in data:
        return True
    sample = data[:_SAMPLE_BYTES]
    return len(sample) - len(sample.translate(None, _CONTROL)) > _MAX_CONTROL_SHARE * len(sample)


def _decode(data: bytes, encoding: str) -> DecodedText | None:
    try:
        text = data.decode(encoding)
    except UnicodeError:
        return None
    return None if "\0" in text else DecodedText(text, encoding)  # databases refuse NUL in text


def _damaged_utf8(data: bytes) -> DecodedText | None:
    """UTF-8 with a few broken characters (a cut, a bad paste), which are shown as such."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore")) - broken
    return DecodedText(text, "utf-8-damaged") if foreign >= 10 * broken else None


def _sample(data: bytes) -> bytes:
    """The beginning, cut at the end of a line so that no character is halved."""
    if len(data) <= _SAMPLE_BYTES:
        return data
    end = data.rfind(b"\n", 0, _SAMPLE_BYTES)
    return data[: end if end > 0 else _SAMPLE_BYTES]
