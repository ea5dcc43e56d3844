"""Protocol: what the grader reads from a process that no longer says what it should."""

from attacks.protocol_words import SPEAKING
from attacks.record import ALL, Attack, while_loaded


def speaking(body: str) -> str:
    """A `second` that says things of its own to the grader, and then nothing for a long time."""
    lines = "\n".join("    " + line for line in while_loaded(body).rstrip().splitlines())
    return SPEAKING + f"def second(x):\n    print('SPOKE')\n{lines}\n    time.sleep(60)\n"


def broken(name: str, tries: str, body: str, evidence: str = "2.1 crash .*broke the process") -> Attack:
    return Attack(name, tries, speaking(body), evidence + ".*SPOKE")


GROUP = (
    Attack(
        "writes_to_every_descriptor",
        "to have a forged frame taken for an answer, whichever descriptor leads to the grader",
        SPEAKING
        + while_loaded("""
            def second(x):
                print("SPOKE")
                body = pack(["ok", {"score": 1.0, "status": "passed"}, None])
                for number in range(256):
                    try:
                        os.write(number, struct.pack("<I", len(body)) + body)
                    except OSError:
                        pass
                time.sleep(60)
        """),
        evidence="2.1 crash .*SPOKE",
    ),
    broken(
        "announces_a_huge_frame", "to have 4 GB awaited or reserved", "say(b'', 0xFFFFFFFF)", "2.1 crash .*announced"
    ),
    broken(
        "sends_half_a_frame",
        "to keep the grader waiting in the middle of a frame",
        "say(b'half', 1000)",
        "2.1 timeout ",
    ),
    broken(
        "nests_without_end",
        "to overflow the stack of whoever decodes it",
        """
        value = 1
        for _ in range(3000):
            value = Ext(LIST, pack([value]))
        answer(value)
        """,
    ),
    broken("invents_extension_types", "to be decoded as something that there is not", "answer(Ext(99, b'pickle'))"),
    broken("sends_a_timestamp", "to use a type that MessagePack itself has", "answer(Ext(-1, bytes(8)))"),
    broken("sends_no_message", "to send bytes that are no message", "say(b'\\xc1' * 100)"),
    broken("sends_broken_text", "to send text that is no UTF-8", "say(b'\\x93\\xa2ok\\xa4\\xff\\xfe\\xfd\\xfc\\xc0')"),
    broken(
        "declares_a_huge_list",
        "to have a list of four thousand million entries reserved",
        "say(b'\\xdd\\xff\\xff\\xff\\xff')",
    ),
    broken(
        "declares_huge_shapes",
        "to have an array of impossible size made of no data",
        "answer(array('<f8', b'', *[2**31 - 1] * 8))",
    ),
    broken(
        "declares_an_empty_huge_shape",
        "to have an array without entries that is endless in another direction",
        "answer(array('<f8', b'', 0, *[2**31 - 1] * 20))",
        "2.1 (crash|failed) ",
    ),
    broken("lies_about_the_size", "to read beyond the data", "answer(array('<f8', bytes(8), 1000))"),
    broken("sends_an_object_array", "to have pointers read", "answer(array('|O', bytes(8), 1))"),
    broken(
        "sends_a_text_array", "to have a dtype with a length of its own choice", "answer(array('<U1000000000', b'', 0))"
    ),
    broken(
        "sends_impossible_booleans",
        "to have bytes that are neither true nor false",
        "answer(array('|b1', b'\\x02', 1))",
    ),
    broken(
        "sends_nan_payloads",
        "to pass with a number that equals nothing, with bits of its own choice",
        "answer(array('<f8', struct.pack('<Q', 0x7FF4_DEAD_BEEF_0001) * 6, 2, 3))",
        "2.1 failed nan",
    ),
    broken("answers_without_shape", "to answer with none of the messages there are", "say(pack(['passed', 1.0]))"),
    broken(
        "forges_handles",
        "to be given objects of the grader's by their numbers",
        "answer(Ext(HANDLE, pack(['object', -1, 'Layer', 7, True])))",
    ),
    broken(
        "forges_a_stand_in",
        "to be given an object of the grader's that it never got",
        "answer(Ext(STAND_IN, pack([1])))",
    ),
    Attack(
        "forges_a_path_into_the_grader",
        "to have something remote that is called by a name of the attacker's choice",
        SPEAKING
        + while_loaded("""
            class Model:
                def __init__(self, size):
                    pass
                @property
                def params(self):
                    print("SPOKE")
                    mark = Ext(HANDLE, pack(["callable", True]))
                    answer(Ext(DICT, pack(["W", mark, "other", mark])))
                    time.sleep(60)
        """),
        evidence="2.3 crash ",
        loses=("2.3",),
    ),
    Attack(
        "calls_back_without_end",
        "to keep the grader busy with calls of its own object, each of them quick",
        SPEAKING
        + while_loaded("""
            def apply(layer, x):
                print("SPOKE", flush=True)
                while True:
                    layer.forward(1)
        """),
        evidence="2.4 timeout .*SPOKE",
        loses=("2.4",),
    ),
    Attack(
        "calls_back_with_anything",
        "to call methods that are not there, with arguments that no check expects",
        SPEAKING
        + while_loaded("""
            def apply(layer, x):
                print("SPOKE", flush=True)
                number = layer.__dict__["_stand_in"]
                for name, arguments in (("forward", [1, 2, 3]), ("forward", []), ("__class__", []), ("__init__", [])):
                    empty = Ext(DICT, pack([]))
                    say(pack(["callback", number, name, Ext(TUPLE, pack(arguments)), empty, empty]))
                    time.sleep(0.05)
                time.sleep(60)
        """),
        evidence="2.4 crash .*SPOKE",
        loses=("2.4",),
    ),
    Attack(
        "answers_out_of_turn",
        "to leave answers behind for questions that were not asked yet",
        SPEAKING
        + while_loaded("""
            def second(x):
                print("SPOKE")
                for _ in range(500):
                    answer(3 * 7)
                return 3 * x
        """),
        evidence="2.1 (failed|crash|error) .*SPOKE",
    ),
    Attack(
        "closes_the_channel",
        "to hang up in the middle of a call and to go on",
        SPEAKING
        + while_loaded("""
            def second(x):
                print("SPOKE", flush=True)
                for number in sockets():
                    os.close(number)
                os.close(1)
                os.close(2)
                while True:
                    pass
        """),
        evidence="2.1 crash .*SPOKE",
    ),
    Attack(
        "says_that_it_is_loaded",
        "to tell the grader that all is loaded, and then to serve nobody",
        SPEAKING
        + while_loaded("""
            os.write(sockets()[0], pack(["loaded", [], {}]))
            class Never:
                while True:
                    try:
                        time.sleep(3600)
                    except BaseException:
                        pass
        """),
        evidence="2.1 (crash|timeout) .*",
        loses=ALL,
    ),
    Attack(
        "floods_the_control_channel",
        "to fill the channel between the grader and the loader with messages that nobody asked for",
        SPEAKING
        + while_loaded("""
            def flood():
                control = sockets()[0]
                os.set_blocking(control, False)
                sent = 0
                try:
                    while True:
                        os.write(control, pack(["status", -9]))
                        sent += 1
                except OSError:
                    os.set_blocking(control, True)
                return f"sent {sent}"
            class Flood:
                text = flood()
        """),
        evidence="2.1 crash .*while it was loaded",
        loses=ALL,
    ),
    broken(
        "sends_keys_that_collide",
        "to have a dict built of keys that all have the same hash, which takes the square of their number",
        """
        modulus = (1 << 61) - 1
        keys = [Ext(INTEGER, (number * modulus).to_bytes(16, "little", signed=True)) for number in range(1, 60_001)]
        answer(Ext(DICT, pack([part for key in keys for part in (key, 0)])))
        """,
    ),
    broken(
        "sends_very_many_small_things",
        "to have a message of a few megabytes become gigabytes of objects in the grader",
        """
        inner = Ext(LIST, pack([Ext(LIST, b"\\x90")] * 900_000))
        answer(Ext(LIST, pack([inner] * 8)))
        """,
    ),
    Attack(
        "passes_descriptors_to_the_grader",
        "to fill the grader's table of open files with descriptors sent along",
        SPEAKING
        + while_loaded("""
            def second(x):
                print("SPOKE")
                sent = 0
                nothing = os.open("/dev/null", os.O_RDONLY)
                body = pack(["ok", 7, None])
                for number in sockets():
                    channel = socket.socket(fileno=number)
                    for _ in range(20):
                        sent += socket.send_fds(channel, [struct.pack("<I", len(body)) + body], [nothing] * 50)
                time.sleep(60)
        """),
        evidence="2.1 (failed|crash|timeout) .*SPOKE",
    ),
)
