"""Shadowing: files whose names the grader, its libraries or its tools would look for."""

from attacks.record import Attack, in_second

HARM = """
import os
print("SHADOWED")
raise SystemExit("shadowed")
"""
CONFTEST = """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    call.excinfo = None
def pytest_collection_modifyitems(items):
    items.clear()
"""


def shadow(name: str, tries: str, files: dict[str, str], body: str, evidence: str) -> Attack:
    """Files that must change nothing: `second` is wrong as ever, and the rest is right as ever."""
    return Attack(name, tries, in_second(body), evidence, files=files)


GROUP = (
    shadow(
        "shadows_numpy",
        "to be imported in the place of NumPy",
        {"numpy.py": "def __getattr__(name): return lambda *a, **k: True\n", "numpy/__init__.py": HARM},
        'attempt("numpy is another", lambda: 1 / ("submission" in np.__file__))',
        "CLOSED numpy is another: ZeroDivisionError",
    ),
    shadow(
        "shadows_the_checks_conftest",
        "to be loaded by pytest as settings of the checks",
        {"conftest.py": CONFTEST, "tests/conftest.py": CONFTEST, "tests/attacked/conftest.py": CONFTEST},
        'print("wrong all the same")',
        "wrong all the same",
    ),
    shadow(
        "shadows_pytest_settings",
        "to be read by pytest as its settings",
        {
            "pytest.ini": "[pytest]\naddopts = --collect-only\n",
            "tox.ini": "[pytest]\naddopts = --co\n",
            "setup.cfg": "[tool:pytest]\naddopts = --co\n",
            "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--co"\n',
            "assignment.toml": "id = 'attacked'\npoints = 0\n",
        },
        'print("wrong all the same")',
        "wrong all the same",
    ),
    shadow(
        "shadows_the_checks",
        "to hand in checks of its own, under the names of the real ones",
        {
            "tests/attacked/hidden/test_hidden.py": "def test_second_hidden(): pass\n",
            "test_public.py": "def test_second(): pass\n",
            "reference/attacked/attacked.py": "SECRET = 1\n",
        },
        'print("wrong all the same")',
        "wrong all the same",
    ),
    shadow(
        "shadows_the_autograder",
        "to be imported in the place of the autograder's own modules",
        {"autograder/__init__.py": HARM, "autograder/sandbox/worker.py": HARM, "autograder.py": HARM},
        'attempt("autograder is another", lambda: 1 / ("submission" in sys.modules["autograder"].__file__))',
        "CLOSED autograder is another: ZeroDivisionError",
    ),
    shadow(
        "shadows_the_standard_library",
        "to be imported where the grader asks for a module of Python's",
        dict.fromkeys(("random.py", "json.py", "socket.py", "struct.py", "site.py", "secrets.py", "msgspec.py"), HARM),
        """
        import json, secrets
        attempt("of its own", lambda: 1 / ("submission" in __import__("random").__file__))
        """,
        "CLOSED of its own: ZeroDivisionError",
    ),
    shadow(
        "shadows_start_up",
        "to be run when an interpreter starts in the submission's folder",
        dict.fromkeys(("sitecustomize.py", "usercustomize.py", "__main__.py", "evil.pth", "pyvenv.cfg"), HARM),
        'attempt("customised", lambda: 1 / ("submission" in str(sys.modules.get("sitecustomize"))))',
        "CLOSED customised: ZeroDivisionError",
    ),
    shadow(
        "shadows_the_main_file",
        "to hand in a package, and compiled files, that would be found before the file itself",
        {
            "attacked/__init__.py": HARM,
            "__pycache__/attacked.cpython-311.pyc": HARM,
            "attacked.pyc": HARM,
            "attacked.so": HARM,
        },
        'print("loaded from", os.path.basename(__file__))',
        "loaded from attacked.py",
    ),
)
