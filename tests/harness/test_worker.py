"""The worker and the proxy: a module in, values out, whatever the module does."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from autograder.sandbox import worker
from autograder.sandbox.policy import Orders, Policy
from autograder.sandbox.proxy import (
    CopyError,
    GraderError,
    RemoteObject,
    StandIn,
    StudentCrash,
    StudentError,
    StudentTimeout,
    call_unanswered,
    make,
    type_name_of,
)
from autograder.sandbox.session import Session, Setting

IMPATIENT = Policy(call_seconds=0.5, import_seconds=1.0, statement_seconds=0.3, patience=2.0)
FORKS = [pytest.param(True, id="fork", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux forks")), False]


@pytest.fixture
def open_session(tmp_path):
    """Starts sessions on a module's text; everything they started is over at the end."""
    opened = []

    def start(text, *, forks=True, confine="auto", policy=IMPATIENT, files=None, modules=(), preloads=("numpy",)):
        workspace = tmp_path / f"run{len(opened)}"
        folder, data = workspace / "submission", workspace / "data"
        for path in (workspace, folder, data):
            path.mkdir()
            path.chmod(0o755)
        for path in (tmp_path, *tmp_path.parents[:2]):
            path.chmod(path.stat().st_mode | 0o011)
        for name, content in {"student.py": text, **(files or {})}.items():
            (folder / name).write_text(textwrap.dedent(content))
        options = {"policy": policy, "confine": confine, "forks": forks, "modules": modules, "preloads": preloads}
        session = Session(Setting(folder, workspace, "student.py", data, **options))
        opened.append(session)
        return session.__enter__()

    yield start
    for session in opened:
        session.__exit__(None, None, None)


@pytest.fixture
def open_check(open_session):
    """The worker of one check on a module's text."""
    entered = []

    def start(text, **options):
        context = open_session(text, **options).check(10)
        entered.append(context)
        return context.__enter__()

    yield start
    for context in entered:
        context.__exit__(None, None, None)


LAYERS = """
    import numpy as np

    class Layer:
        scale = 2.0
        def __init__(self, size):
            self.params = {"W": np.ones((size, size))}
            self.calls = 0
        def forward(self, X):
            self.calls += 1
            return X @ self.params["W"] * self.scale
        @staticmethod
        def double(x):
            return 2 * x

    def build(size):
        return {"L1": Layer(size), "L2": Layer(size)}

    def pair(model):
        return model["L1"], 7

    def zero_in_place(X):
        X[...] = 0

    def draw():
        return np.random.rand()
"""


@pytest.mark.parametrize("forks", FORKS)
class TestProxy:
    def test_calls_attributes_and_static_methods_work_as_on_the_module(self, open_check, forks):
        submission = open_check(LAYERS, forks=forks).submission
        layer = submission.Layer(3)
        np.testing.assert_array_equal(layer.forward(np.ones((2, 3))), np.full((2, 3), 6.0))
        assert layer.calls == 1
        assert submission.Layer.double(4) == 8
        assert submission.Layer.scale == 2.0

    def test_objects_stay_themselves_inside_containers_and_back(self, open_check, forks):
        submission = open_check(LAYERS, forks=forks).submission
        model = submission.build(2)
        first, seven = submission.pair(model)
        assert first is model["L1"]
        assert seven == 7
        assert isinstance(first, RemoteObject)
        assert type_name_of(first) == "Layer"

    def test_assigning_an_attribute_changes_the_original_and_changing_a_copy_is_refused(self, open_check, forks):
        layer = open_check(LAYERS, forks=forks).submission.Layer(2)
        layer.params = {"W": np.zeros((2, 2))}
        assert not layer.forward(np.ones((1, 2))).any()
        with pytest.raises(CopyError, match=r"layer\.params = "):
            layer.params["W"] = 1
        with pytest.raises(ValueError, match="read-only"):
            layer.params["W"][0, 0] = 1

    def test_an_assignment_that_fails_is_told_by_the_next_call_and_forgotten_by_the_next_example(
        self, open_check, forks
    ):
        text = """
            class Layer:
                @property
                def size(self): return 1
            def fine(): return 1
        """
        check = open_check(text, forks=forks)
        check.submission.Layer().size = 2
        with pytest.raises(StudentError, match="size"):
            check.submission.fine()
        assert check.submission.fine() == 1
        check.submission.Layer().size = 2
        check.begin_example()
        assert check.submission.fine() == 1

    def test_objects_are_made_and_used_without_waiting_and_are_the_same_as_ever(self, open_check, forks):
        check = open_check(LAYERS, forks=forks)
        for _ in range(3):
            check.begin_example()
            first, second = make(check.submission.Layer, 2), make(check.submission.Layer, 3)
            call_unanswered(first.forward, np.ones((1, 2)))
            assert (first.calls, second.calls) == (1, 0)
            assert second.params["W"].shape == (3, 3)
            assert check.submission.pair({"L1": first})[0] is first

    def test_what_goes_wrong_in_a_call_nobody_waits_for_is_raised_by_the_next(self, open_check, forks):
        check = open_check(LAYERS, forks=forks)
        make(check.submission.Layer, 2)
        broken = make(check.submission.Layer, "two")
        with pytest.raises(StudentError, match=r"interpreted|integer"):
            broken.forward(np.ones((1, 2)))
        call_unanswered(check.submission.build)
        with pytest.raises(StudentError, match="size"):
            check.submission.draw()
        assert 0 <= check.submission.draw() < 1

    def test_what_gives_plain_data_is_never_taken_for_an_object(self, open_check, forks):
        check = open_check("def Layer(size): return None", forks=forks)
        assert [make(check.submission.Layer, 2) for _ in range(3)] == [None] * 3

    def test_a_hang_in_a_call_nobody_waits_for_is_told_with_the_call_that_waited(self, open_check, forks):
        text = "def spin():\n    while True: pass\ndef fine(): return 1"
        check = open_check(text, forks=forks)
        call_unanswered(check.submission.spin)
        with pytest.raises(StudentTimeout, match=r"student\.spin\(\.\.\.\) or student\.fine did not finish"):
            check.submission.fine()

    def test_each_call_gets_fresh_arguments_and_a_probe_sees_what_it_did_to_them(self, open_check, forks):
        check = open_check(LAYERS, forks=forks)
        X = np.ones((2, 2))
        check.submission.zero_in_place(X)
        assert X.all()
        result, (after,) = check.probes.call_and_return_arguments(check.submission.zero_in_place, X)
        assert result is None
        assert not after.any()

    def test_an_exception_arrives_with_type_message_and_the_students_lines(self, open_check, forks):
        text = """
            def outer():
                return inner()
            def inner():
                raise ValueError("no such luck")
        """
        with pytest.raises(StudentError, match="no such luck") as caught:
            open_check(text, forks=forks).submission.outer()
        assert caught.value.type_name == "ValueError"
        assert [(f.file, f.line, f.function) for f in caught.value.frames] == [
            ("student.py", 3, "outer"),
            ("student.py", 5, "inner"),
        ]
        assert caught.value.frames[-1].source == 'raise ValueError("no such luck")'

    def test_a_missing_name_is_the_students_attribute_error(self, open_check, forks):
        with pytest.raises(StudentError) as caught:
            open_check(LAYERS, forks=forks).submission.nothing()
        assert caught.value.type_name == "AttributeError"

    def test_prints_are_captured_in_order_and_bounded(self, open_check, forks):
        text = """
            import os
            def speak(word):
                print(word)
            def shout():
                print("x" * 200_000)
        """
        check = open_check(text, forks=forks)
        check.submission.speak("one")
        assert check.probes.printed() == "one\n"
        check.submission.speak("two")
        assert check.probes.printed() == "two\n"
        assert check.probes.printed() == ""
        check.submission.shout()
        check.close()
        assert len(check.printed_all()) < 70_000
        assert "more bytes were printed and dropped" in check.printed_all()

    def test_a_stand_in_answers_here_and_keeps_its_fields_there(self, open_check, forks):
        text = """
            def use(layer):
                layer.params["W"] -= 1
                layer.seen = hasattr(layer, "gradient")
                return layer.forward(3), layer
        """
        stand_in = StandIn(
            "layer", {"params": {"W": np.ones(2)}}, {"forward": lambda fields, x: x + fields.params["W"]}
        )
        result, same = open_check(text, forks=forks).submission.use(stand_in)
        np.testing.assert_array_equal(result, [3, 3])
        assert same is stand_in
        assert stand_in.fields.seen is False
        np.testing.assert_array_equal(stand_in.fields.params["W"], [0, 0])

    def test_a_stand_in_passes_for_the_class_it_imitates(self, open_check, forks):
        text = "class Layer: pass\ndef check(x): return isinstance(x, Layer)"
        assert open_check(text, forks=forks).submission.check(StandIn(imitates="Layer")) is True

    def test_an_error_in_a_stand_in_is_the_callers_to_see(self, open_check, forks):
        text = "def use(layer): return layer.forward('wrong')"
        stand_in = StandIn("layer", methods={"forward": lambda fields, x: x @ np.ones(2)})
        with pytest.raises(StudentError, match=r"layer\.forward"):
            open_check(text, forks=forks).submission.use(stand_in)

    def test_a_copy_of_a_stand_in_computes_with_its_own_fields(self, open_check, forks):
        text = """
            import copy
            def use(layer):
                other = copy.deepcopy(layer)
                other.params["W"] += 1
                return layer.forward(3), other.forward(3), other
        """
        stand_in = StandIn(
            "layer", {"params": {"W": np.ones(2)}}, {"forward": lambda fields, x: x + fields.params["W"]}
        )
        first, second, other = open_check(text, forks=forks).submission.use(stand_in)
        np.testing.assert_array_equal(first, [4, 4])
        np.testing.assert_array_equal(second, [5, 5])
        np.testing.assert_array_equal(other.params["W"], [2, 2])
        np.testing.assert_array_equal(stand_in.fields.params["W"], [1, 1])

    def test_a_file_of_the_submission_can_be_read(self, open_check, forks):
        probes = open_check("text = 'here'", forks=forks).probes
        assert b"'here'" in probes.read_submitted_file("student.py")
        with pytest.raises(StudentError, match="FileNotFoundError"):
            probes.read_submitted_file("absent.json")

    def test_chance_starts_again_with_each_example_and_old_handles_are_gone(self, open_check, forks):
        check = open_check(LAYERS, forks=forks)
        layer = check.submission.Layer(2)
        first = check.submission.draw()
        check.begin_example()
        assert check.submission.draw() == first
        with pytest.raises(StudentError):
            layer.forward(np.ones((1, 2)))

    def test_checks_do_not_see_each_others_state_or_files(self, open_session, forks):
        text = """
            count = 0
            def step():
                global count
                count += 1
                open("left.txt", "a").write("x")
                return count
        """
        session = open_session(text, forks=forks)
        for _ in range(2):
            with session.check(10) as check:
                assert check.submission.step() == 1
                assert check.probes.files() == ["left.txt"]
                assert check.probes.read_file("left.txt") == b"x"

    def test_more_checks_than_the_process_limit_can_follow_each_other(self, open_session, forks):
        session = open_session("def fine(): return 1", forks=forks, policy=Policy(processes=8))
        for _ in range(12):
            with session.check(10) as check:
                assert check.submission.fine() == 1

    def test_a_hang_a_silence_and_an_exit_end_the_call_and_the_next_check_works(self, open_session, forks):
        text = """
            import os, sys, time
            def hang():
                while True: pass
            def sleep(): time.sleep(60)
            def leave(): os._exit(0)
            def ask(): sys.exit("bye")
            def fine(): return 1
        """
        session = open_session(text, forks=forks)
        for name, error in (("hang", StudentTimeout), ("sleep", StudentTimeout), ("leave", StudentCrash)):
            with session.check(10) as check, pytest.raises(error):
                getattr(check.submission, name)()
        with session.check(10) as check:
            with pytest.raises(StudentError) as caught:
                check.submission.ask()
            assert caught.value.type_name == "SystemExit"
            assert check.submission.fine() == 1

    def test_once_a_worker_is_gone_every_later_call_of_the_check_says_so(self, open_check, forks):
        submission = open_check("import os\ndef leave(): os._exit(3)\ndef fine(): return 1", forks=forks).submission
        for function in (submission.leave, submission.fine):
            with pytest.raises(StudentCrash, match="exit code 3"):
                function()

    def test_an_answer_that_cannot_travel_is_the_students_error(self, open_check, forks):
        text = """
            def loop():
                a = []; a.append(a); return a
            def ragged():
                import numpy as np
                return np.array([1, "a", None], dtype=object)
        """
        submission = open_check(text, forks=forks).submission
        with pytest.raises(StudentError, match="contains itself"):
            submission.loop()
        assert type_name_of(submission.ragged()) == "ndarray"

    def test_messages_name_no_folder_of_this_run_and_no_address(self, open_check, forks):
        text = "def show(): raise ValueError(f'{__file__} {object()!r}')"
        with pytest.raises(StudentError) as caught:
            open_check(text, forks=forks).submission.show()
        assert caught.value.message == "student.py <object object at 0x>"


class TestLoading:
    def test_what_happens_around_the_definitions_costs_a_remark_not_the_submission(self, open_session):
        text = """
            import no_such_module
            from math import pi, no_such_name
            import argparse
            args = argparse.ArgumentParser().parse_args()
            data = open("C:/Users/me/train.csv").read()
            input("ready?")
            raise SystemExit
            def fine():
                return pi
            def needs():
                return no_such_module.thing
            def uses_data():
                return data.split()
        """
        session = open_session(text)
        with session.check(10) as check:
            assert check.submission.fine() == pytest.approx(np.pi)
            with pytest.raises(StudentError, match="no_such_module is not available: its import in line 2 failed"):
                check.submission.needs()
            with pytest.raises(StudentError, match="line 6 failed: FileNotFoundError"):
                check.submission.uses_data()
        assert len(session.remarks) == 5
        assert all(severity == "warning" for severity, _, _ in session.remarks)

    def test_code_that_trains_at_import_is_stopped_and_the_rest_still_loads(self, open_session):
        session = open_session("x = 1\nwhile True:\n    x += 1\ndef fine():\n    return x")
        with session.check(10) as check:
            assert check.submission.fine() > 1
        assert "was stopped after 0.3 s" in session.remarks[0][2]

    @pytest.mark.parametrize(
        "statement",
        [
            "import os; os._exit(0)",
            "if SIZE:\n    import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass",
            "import ctypes; ctypes.string_at(0)",
        ],
        ids=["exits", "hangs for good", "segfaults"],
    )
    @pytest.mark.parametrize("forks", FORKS)
    def test_a_module_that_ends_or_hangs_python_is_loaded_again_without_the_statements_that_compute(
        self, open_session, statement, forks
    ):
        session = open_session(f"SIZE = 3\ndef fine():\n    return SIZE\n{statement}", forks=forks)
        with session.check(10) as check:
            assert check.submission.fine() == 3
        assert any("was left out" in text for _, _, text in session.remarks)

    @pytest.mark.parametrize("forks", FORKS)
    def test_a_syntax_error_is_reported_with_line_and_caret(self, open_session, forks):
        session = open_session("x = 1\ndef broken(:\n    pass", forks=forks)
        with pytest.raises(StudentError) as caught, session.check(10) as check:
            check.submission  # noqa: B018
        assert caught.value.type_name == "SyntaxError"
        (frame,) = caught.value.frames
        assert (frame.file, frame.line) == ("student.py", 2)
        assert frame.source == "def broken(:\n           ^"

    def test_a_helper_with_a_syntax_error_costs_only_what_uses_it(self, open_session):
        session = open_session("import helper\ndef fine(): return 1", files={"helper.py": "def ("})
        with session.check(10) as check:
            assert check.submission.fine() == 1
        assert "SyntaxError" in session.remarks[0][2]

    @pytest.mark.parametrize("forks", FORKS)
    def test_each_further_module_is_loaded_whatever_the_others_do(self, open_session, forks):
        files = {"second.py": "def two(): return 2", "third.py": "def ("}
        session = open_session("def (", files=files, modules=[*files, "absent.py"], forks=forks)
        with session.check(10) as check:
            assert check.probes.module("second").two() == 2
            for name in ("student", "third"):
                with pytest.raises(StudentError, match="invalid syntax"):
                    check.probes.module(name)
            with pytest.raises(StudentError, match="absent"):
                check.probes.module("absent")

    def test_torch_is_not_offered_where_the_assignment_does_not_ask_for_it(self, open_session):
        session = open_session(
            "import torch\nfrom torch import normal\ndef fine(): return 1\ndef uses(): return normal(1)"
        )
        with session.check(10) as check:
            assert check.submission.fine() == 1
            with pytest.raises(StudentError, match="this homework does without it"):
                check.submission.uses()

    def test_future_imports_hold_for_the_whole_file(self, open_check):
        text = "from __future__ import annotations\ndef fine(x: NotThere) -> AlsoNot:\n    return x"
        assert open_check(text).submission.fine(2) == 2

    def test_a_class_that_cannot_be_made_explains_itself_when_used(self, open_session):
        session = open_session("import tensorflow_x as tf\nclass Net(tf.Module):\n    pass")
        with session.check(10) as check, pytest.raises(StudentError, match="Net is not available"):
            check.submission.Net()
        assert session.remarks[1][0] == "error"


@pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's")
class TestConfinement:
    PROBES = """
        import ctypes, os, signal, socket, subprocess, sys
        import numpy as np
        def attempt(what):
            return eval(what, globals())
        def fork():
            if os.fork() == 0:
                os._exit(0)
        def thread():
            import threading
            done = []
            worker = threading.Thread(target=done.append, args=(1,))
            worker.start(); worker.join()
            return done
    """

    def test_modes_and_times_are_changed_in_word_only(self, open_check):
        submission = open_check("""
            import os

            def close():
                open("file", "w").close()
                before = os.stat("file")
                os.chmod("file", 0)
                os.utime("file", (1, 1))
                after = os.stat("file")
                return before.st_mode == after.st_mode, before.st_mtime == after.st_mtime
        """).submission
        assert submission.close() == (True, True)

    @pytest.mark.parametrize(
        "expression",
        [
            "open('/etc/passwd').read()",
            "os.listdir('/')",
            "open('/proc/1/environ', 'rb').read()",
            "open(f'/proc/{os.getppid()}/mem', 'rb')",
            "open(__file__, 'a')",
            "open('/tmp/escape', 'w')",
            "open('/dev/shm/escape', 'w')",
            "os.symlink('/etc/passwd', 'link') or open('link').read()",
            "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
            "socket.socket(socket.AF_UNIX)",
            "os.kill(os.getppid(), signal.SIGKILL)",
            "os.killpg(0, signal.SIGKILL)",
            "os.setsid()",
            "subprocess.run(['true'])",
            "os.execv(sys.executable, ['python'])",
            "fork()",
            "os.posix_spawn('/bin/true', ['true'], {})",
            "np.ones(10 ** 10)",
            "os.chown('/', 0, 0)",
            "os.truncate('/etc/hostname', 0)",
            "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
            "__import__('resource').prlimit(os.getppid(), 7, (0, 0))",
            "__import__('fcntl').fcntl(1, 8, os.getppid())",
            "os.setuid(0)",
        ],
    )
    @pytest.mark.parametrize("forks", [True, False], ids=["fork", "spawn"])
    def test_the_submission_is_refused(self, open_check, expression, forks):
        submission = open_check(self.PROBES, forks=forks).submission
        with pytest.raises(StudentError) as caught:
            submission.attempt(expression)
        assert caught.value.type_name in {"PermissionError", "MemoryError", "_ArrayMemoryError", "FileNotFoundError"}

    def test_threads_libraries_and_the_scratch_folder_still_work(self, open_check):
        submission = open_check(self.PROBES).submission
        assert submission.thread() == [1]
        assert submission.attempt("__import__('decimal').Decimal(2)") is not None
        assert submission.attempt("open('mine.txt', 'w').write('abc')") == 3

    def test_the_report_says_what_held(self, open_session):
        session = open_session("x = 1")
        session.load()
        assert set(session.protections) == {"limits", "user", "no_new_privileges", "files", "calls"}
        assert session.protections["calls"] == "held"

    def test_off_says_off(self, open_session):
        session = open_session("x = 1", confine="off")
        session.load()
        assert session.protections["calls"] == "off"

    def test_required_confinement_that_is_not_to_be_had_refuses_to_start(self, open_session, monkeypatch):
        session = open_session("x = 1", confine="require")
        monkeypatch.setattr(type(session._worker), "await_confinement", lambda self: {"limits": "held", "user": "held",
            "no_new_privileges": "held", "files": "held", "calls": "not available: no seccomp"})  # fmt: skip
        for _ in range(2):  # the second check is refused like the first
            with pytest.raises(GraderError, match=r"calls: not available: no seccomp.*--confine auto"):
                session.load()

    @pytest.mark.parametrize("required", [True, False])
    def test_a_worker_that_cannot_confine_as_required_ends_before_it_loads_anything(self, monkeypatch, required):
        report = dict.fromkeys(("limits", "user", "no_new_privileges", "files"), "held") | {"calls": "not available"}
        loaded = []
        monkeypatch.setattr(worker, "prepare", lambda orders: report)
        monkeypatch.setattr(worker, "load", lambda orders: loaded.append(orders) or [])
        monkeypatch.setattr(worker, "start_check", lambda orders: None)
        monkeypatch.setattr(worker.confine, "die_with_parent", lambda: None)
        orders = Orders(
            Policy(), "", "m.py", [], "", "", [], [], confined=True, required=required, user_id=None, forks=False
        )
        worker.run_spawned(orders, lambda body: None, lambda: b"")
        assert bool(loaded) is not required

    def test_a_process_forked_while_loading_is_gone_with_the_session(self, open_session):
        text = """
            import os, time
            if os.fork() == 0:
                while True: time.sleep(1)
            MARK = 1
        """
        session = open_session(text)
        with session.check(10) as check:
            assert check.submission.MARK == 1
        group = session._worker._process.pid
        session.__exit__(None, None, None)
        assert members_of(group) == []

    def test_killing_the_grader_takes_the_worker_along(self, tmp_path):
        for path in (tmp_path, *tmp_path.parents[:2]):
            path.chmod(path.stat().st_mode | 0o011)
        (tmp_path / "student.py").write_text("x = 1")
        grader = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(f"""
                from pathlib import Path
                from autograder.sandbox.session import Session, Setting
                folder = Path({str(tmp_path)!r})
                session = Session(Setting(folder, folder, "student.py", folder)).__enter__()
                with session.check(10) as check:
                    print(session._worker._process.pid, flush=True)
                    input()
            """)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        group = int(grader.stdout.readline())
        assert members_of(group)
        grader.send_signal(signal.SIGKILL)
        grader.communicate()
        end = time.monotonic() + 5
        while members_of(group) and time.monotonic() < end:
            time.sleep(0.02)
        assert members_of(group) == []


def members_of(session_id):
    """Living processes of a session."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session_id and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


class TestHostileAnswers:
    @pytest.mark.parametrize(
        "reply",
        [
            "b''", "b'garbage'", "encode([1])", "encode(['ok'])", "encode(['ok', 1, 2])", "encode(['nonsense', 1, {}])",
            "encode(['callback', 1, 'f', (), {}, {}])", "encode(['error', 1, 2, 3])",
        ],
    )  # fmt: skip
    def test_a_forged_answer_is_a_crash_of_the_submission(self, open_check, reply):
        text = f"""
            import gc, struct
            def forge():
                from autograder.sandbox.worker import Server
                server = next(o for o in gc.get_objects() if type(o).__name__ == "Server")
                encode = server._codec.encode
                server._send({reply})
                return 1
        """
        with pytest.raises((StudentCrash, StudentError)) as caught:
            open_check(text).submission.forge()
        assert not isinstance(caught.value, StudentError) or caught.value.type_name == "ModuleNotFoundError"

    def test_a_huge_announced_answer_is_not_waited_for(self, open_check):
        text = """
            import os, struct
            def forge():
                for descriptor in range(3, 30):
                    try: os.write(descriptor, struct.pack("<I", 2**32 - 1))
                    except OSError: pass
        """
        with pytest.raises(StudentCrash, match="announced"):
            open_check(text).submission.forge()
