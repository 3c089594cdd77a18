"""packing.py - JSON that every reader takes: no lone surrogates, no NaN."""

import codecs
import json

from jupyter_client.jsonutil import json_clean, json_default


def _replace(error):
    # Bytes: from a text, the UTF-8 codec takes only ASCII.
    return "\ufffd".encode() * (error.end - error.start), error.end


codecs.register_error("cellblock", _replace)


def _encode(content):
    text = json.dumps(
        content, default=json_default, ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "cellblock")


def pack(content):
    """Encode a part of a message.

    A file name that is not UTF-8 comes as surrogates in Python; jupyter_client
    would lose the message, or send bytes that are not UTF-8.
    """
    try:
        return _encode(content)
    except (TypeError, ValueError):
        return _encode(json_clean(content))
