"""How a submission speaks to the grader in its own words: the message format, as an attacker would write it."""

from attacks.record import while_loaded

SPEAKING = while_loaded("""
    import socket, stat
    import msgspec
    Ext, pack = msgspec.msgpack.Ext, msgspec.msgpack.encode
    TUPLE, LIST, DICT, SET, FROZENSET, COMPLEX, INTEGER, BYTES, ARRAY, SCALAR, TENSOR, HANDLE, STAND_IN = range(1, 14)

    def sockets():
        found = []
        for number in range(3, 256):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    found.append(number)
            except OSError:
                pass
        return found

    def say(body, length=None):
        data = struct.pack("<I", len(body) if length is None else length) + body
        for number in sockets():
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(number, rest):]

    def answer(value):
        say(pack(["ok", value, None]))

    def array(dtype, data, *shape):
        return Ext(ARRAY, pack([dtype, "C", Ext(BYTES, data), *shape]))
""")
"""What is put before an attack; it may then `say(body)` or `answer(value)` on every socket that it has."""
