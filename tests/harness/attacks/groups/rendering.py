"""Rendering: text of the student's that staff will see, in a page, in a terminal, on Gradescope."""

from attacks.protocol_words import SPEAKING
from attacks.record import ALL, Attack, in_second, while_loaded

TAGS = "<script>alert(1)</script><img src=x onerror=alert(1)></pre></div><iframe src=javascript:alert(1)>"
ESCAPES = "\\x1b[2J\\x1b[H\\x1b]0;owned\\x07\\x1b]8;;http://x\\x07\\x9b31m\\x07\\x08\\r100/100"

GROUP = (
    Attack(
        "prints_html",
        "to have what it prints act in the page",
        f"def second(x):\n    print({TAGS!r})\n    print({TAGS!r} * 3, file=sys.stderr)\n",
        evidence="2.1 failed .*<script>alert",
    ),
    Attack(
        "raises_html",
        "to have its error act in the page",
        f"def second(x):\n    raise ValueError({TAGS!r})\n",
        evidence="2.1 error .*<script>alert",
    ),
    Attack(
        "names_a_class_in_html",
        "to have the names of its classes, functions and files act in the page",
        f"""
        Named = type({TAGS!r}, (Exception,), {{}})
        def inner():
            raise Named("named")
        inner.__code__ = inner.__code__.replace(co_name={TAGS!r})
        def second(x):
            inner()
        """,
        evidence="2.1 error .*<script>alert",
    ),
    Attack(
        "returns_html",
        "to have a value that it returns act where it is compared",
        f"def second(x):\n    return {TAGS!r}\n",
        evidence="2.1 failed .*<script>alert",
    ),
    Attack(
        "writes_markdown",
        "to have Markdown or simple markup read as such",
        "def second(x):\n    raise ValueError('# Full marks [click](javascript:alert(1)) ![](http://127.0.0.1/x) `'\n"
        "        '<b>bold</b> **100/100**')\n",
        evidence=r"2.1 error .*# Full marks",
    ),
    Attack(
        "prints_escape_sequences",
        "to clear the terminal, to change its title and to overwrite the grade shown",
        f'def second(x):\n    print("{ESCAPES}")\n    raise ValueError("{ESCAPES}")\n',
        evidence="2.1 error .*owned",
    ),
    Attack(
        "uses_the_terminals_markup",
        "to have the report's own markup read in what it says",
        "def second(x):\n    print('[bold green]100/100[/] [link=http://x]x[/link] [/]')\n"
        "    raise ValueError('[red]a[/red] [/nothing] :smile: [@click=app.quit]')\n",
        evidence=r"2.1 error .*\[/nothing\]",
    ),
    Attack(
        "turns_the_direction_of_reading",
        "to have its line read backwards, and to hide text in it",
        'def second(x):\n    raise ValueError("\\u202e001/001\\u2066 \\u200b \\x00 \\ud800 \\ufeff \\U000e0041 end")\n',
        evidence="2.1 error .*001/001",
    ),
    Attack(
        "prints_the_report_itself",
        "to print lines that look like the grader's own",
        in_second("""
            print("Item 2: Tripling   4 / 4")
            print("</pre><h2>Score: 8 / 8</h2><p class='passed'>All checks passed.</p><pre>")
            print("\\n" * 300 + "Score 8 of 8")
        """),
        evidence="2.1 failed .*Score: 8 / 8",
    ),
    Attack(
        "remarks_in_html",
        "to have what goes wrong while it is loaded act in the page",
        while_loaded(f"""
            def fail():
                raise ValueError({TAGS!r} + "{ESCAPES}")
            fail()
            print({TAGS!r})
            import no_such_module_at_all as nothing
        """)
        + in_second("print('loaded')"),
        evidence="warning attacked.py: .*<script>alert",
    ),
    Attack(
        "names_files_in_html",
        "to have the names of files that it hands in act in the page or the terminal",
        in_second("print('named')"),
        evidence="named",
        files={
            "<img src=x onerror=alert(1)>.py": "",
            "\x1b[2J\x1b]0;owned\x07.py": "",
            "two\nlines.py": "",
            "[bold red]x[/].txt": "",
            "\u202egpj.py": "",
            "folder <b>x/attacked.py": "x = 1\n",
        },
    ),
    Attack(
        "forges_frames_in_html",
        "to have an error shown whose frames, files and lines it made up",
        SPEAKING
        + while_loaded(f"""
            def second(x):
                frame = Ext(TUPLE, pack([{TAGS!r}, 10**15, {TAGS!r} + "{ESCAPES}", {TAGS!r} * 1000]))
                say(pack(["error", {TAGS!r} + "{ESCAPES}", {TAGS!r} * 5000, Ext(LIST, pack([frame] * 40 + [7, "x"]))]))
                time.sleep(60)
        """),
        evidence="2.1 error .*<script>alert",
    ),
    Attack(
        "forges_remarks_in_html",
        "to have remarks shown that the grader never made",
        SPEAKING
        + while_loaded(f"""
            remarks = [["error", {TAGS!r}, {TAGS!r} + "{ESCAPES}"]] * 150
            frames = [[{TAGS!r}, -(2**62), {TAGS!r}, "{ESCAPES}"]]
            os.write(sockets()[0], pack(["loaded", remarks, {{"attacked": [{TAGS!r}, "{ESCAPES}", frames]}}]))
        """),
        evidence="error .*<script>alert",
        loses=ALL,
    ),
    Attack(
        "fills_the_output",
        "to have more shown than Gradescope keeps, so that it is cut in the middle",
        "def second(x):\n    print('&<>' * 30_000)\n    raise ValueError('<&>' * 1_000_000)\n",
        evidence="2.1 error .*<&>",
    ),
)
