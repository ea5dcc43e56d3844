"""Values: what a function may return so that whoever compares it is fooled, or runs the student's code."""

from attacks.record import ALL, Attack, while_loaded


def returning(name: str, tries: str, expression: str, evidence: str, before: str = "") -> Attack:
    return Attack(name, tries, while_loaded(before) + f"def second(x):\n    return {expression}\n", evidence)


GROUP = (
    returning(
        "returns_an_array_that_equals_everything",
        "to decide comparisons itself, as NumPy lets a subclass do",
        "(0 * x).view(Equal)",
        "2.1 failed ",
        """
        class Equal(np.ndarray):
            def __array_function__(self, function, types, arguments, keywords):
                return True
            def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
                return np.ones(1, dtype=bool)
            def __eq__(self, other):
                return True
            def __sub__(self, other):
                return 0.0
            def tobytes(self, order="C"):
                return b""
            shape = property(lambda self: (2, 3))
        """,
    ),
    returning(
        "returns_an_object_that_equals_everything",
        "to be equal, close and true whatever it is compared with",
        "Equal()",
        "2.1 failed ",
        """
        class Equal:
            __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __hash__ = lambda self: 0
            __sub__ = __rsub__ = __abs__ = __mul__ = __rmul__ = lambda self, *other: 0.0
            __float__ = lambda self: 0.0
            __array__ = lambda self, *arguments, **keywords: np.zeros((2, 3))
            __bool__ = lambda self: True
            __len__ = lambda self: 2
            __iter__ = lambda self: iter([])
        """,
    ),
    returning(
        "returns_what_unpickles_into_a_call",
        "to run a command where the value is unpickled",
        "[Reduced(), {'key': Reduced()}]",
        "2.1 failed ",
        """
        class Reduced:
            def __reduce__(self):
                return os.system, ("touch /tmp/" + MARK,)
            __getstate__ = __reduce__
            def __reduce_ex__(self, protocol):
                return self.__reduce__()
        """,
    ),
    returning(
        "returns_a_generator", "to answer later, or for ever", "(n for n in iter(int, 1))", "2.1 failed wrong_type"
    ),
    returning(
        "returns_a_ring",
        "to have a container followed into itself",
        "ring",
        "2.1 error .*contains itself",
        "ring = []\nring.append({'ring': (ring,)})\n",
    ),
    returning(
        "returns_lying_containers",
        "to have its own code run where a container is read",
        "Lying({'a': 1})",
        "2.1 (failed|error) ",
        """
        class Lying(dict):
            def items(self):
                raise SystemExit(0)
            __iter__ = keys = values = items
            def __len__(self):
                return -1
            def __getitem__(self, key):
                while True:
                    pass
        """,
    ),
    returning(
        "returns_lying_numbers",
        "to have its own code run where a number is read",
        "[Lying(3), Text('3'), Real(3)]",
        "2.1 (failed|error) ",
        """
        class Lying(int):
            def __int__(self):
                raise SystemExit(0)
            __index__ = __float__ = __int__
            def __eq__(self, other):
                return True
            __hash__ = int.__hash__
        class Real(float):
            def __float__(self):
                return 3.0
            def __sub__(self, other):
                return 0.0
        class Text(str):
            def encode(self, *arguments):
                raise SystemExit(0)
        """,
    ),
    returning(
        "returns_an_object_of_a_borrowed_class",
        "to pass for an array without being one",
        "Borrowed()",
        "2.1 (failed|error) ",
        """
        class Borrowed:
            __class__ = np.ndarray
            shape, dtype, ndim, size = (2, 3), np.dtype(float), 2, 6
            def __getattr__(self, name):
                return lambda *arguments, **keywords: 3
        """,
    ),
    returning(
        "returns_nothing_at_all", "to have no entry that could be wrong", "np.zeros((0, 3))", "2.1 failed wrong_shape"
    ),
    returning(
        "returns_not_a_number", "to be within any tolerance, as NaN is not outside", "x * np.nan", "2.1 failed nan"
    ),
    returning("returns_infinity", "to have differences that are no number", "x * 0 + np.inf", "2.1 failed "),
    returning("returns_truth", "to have True taken for equal", "True", "2.1 failed "),
    returning(
        "returns_a_shape_that_broadcasts",
        "to have a comparison fill the memory",
        "np.zeros((1_000_000, 1, 1))",
        "2.1 failed wrong_shape",
    ),
    returning(
        "returns_arrays_of_other_kinds",
        "to have the grader read text, dates, records or objects as numbers",
        "[np.array(['a']), np.array([object()]), np.zeros(2, 'M8[s]'), np.zeros(1, 'f8,i4'), np.matrix([[1.0]])]",
        "2.1 failed ",
    ),
    Attack(
        "changes_its_argument",
        "to make the expected value fit by changing what the check computes it from",
        """
        def second(x):
            x[...] = 0
            return x
        """,
        evidence="2.1 failed ",
    ),
    Attack(
        "changes_numpy",
        "to change the functions that comparisons are made with",
        """
        import math
        for name in ("allclose", "isclose", "array_equal", "all", "any", "abs", "testing", "asarray", "shape"):
            setattr(np, name, lambda *arguments, **keywords: True)
        math.isclose = lambda *arguments, **keywords: True
        import builtins
        builtins.isinstance = lambda *arguments: True
        builtins.abs = lambda *arguments: 0.0
        def second(x):
            return 0 * x
        """,
        evidence="2.1 ",
        may_lose=ALL,
    ),
    Attack(
        "answers_by_chance",
        "to be right now and then, and to be asked often enough",
        """
        def second(x):
            return 3 * x if time.time_ns() // 1000 % 2 else 4 * x
        """,
        evidence="2.[12] (passed|failed|error) ",
        loses=(),
        may_lose=("2.1", "2.2"),
    ),
)
