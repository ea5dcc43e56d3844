"""What validation found, for the terminal and for docs/validity.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from autograder.assignment import Assignment
from autograder.validation.variants import Kind, Submission, Variant
from autograder.validation.verdicts import Outcome, Standing, Tally, named, tally, wrong_causes

NAMED_AT_LEAST = 0.90
"""The part of the catalogue's bugs that must be named by their cause."""
WRONG_AT_MOST = 0.02
"""The part of them, less than which may be given a wrong cause: no cause is better than a wrong one."""
TITLES: Mapping[Kind, str] = {
    "reference": "reference",
    "bug": "known bugs",
    "mutant": "generated mutants",
    "rewrite": "correct rewrites",
}
WORDS: Mapping[Standing, str] = {
    "elsewhere": "cost points, but none on its own item",
    "spilled": "cost points on items that have nothing to do with it",
    "survived": "cost nothing",
    "false alarm": "is right, and lost points",
    "listed": "is listed as equivalent, and lost points",
    "grader failed": "could not be graded: the grader failed",
}


class Findings(msgspec.Struct, frozen=True):
    """All that was found out about one homework's checks. repeated: (gradings, those that differed), if tried."""

    assignment: Assignment
    grader: str
    submission: Submission
    variants: Sequence[Variant]
    outcomes: Mapping[str, Outcome]
    repeated: tuple[int, int] | None = None

    def of(self, kind: Kind) -> list[Variant]:
        return [variant for variant in self.variants if variant.kind == kind]

    def tally(self, kind: Kind) -> Tally:
        return tally(self.of(kind), self.outcomes)

    def named(self) -> list[Variant]:
        """The bugs whose cause a failed check names."""
        return [variant for variant in self.of("bug") if named(variant, self.outcomes[variant.key])]

    def misnamed(self) -> list[Variant]:
        """The bugs that a failed check gives a wrong cause."""
        return [variant for variant in self.of("bug") if wrong_causes(variant, self.outcomes[variant.key])]

    def enough_named(self) -> bool:
        """Whether enough bugs are named by their cause, and few enough by a wrong one."""
        bugs, named, misnamed = len(self.of("bug")), len(self.named()), len(self.misnamed())
        return named >= NAMED_AT_LEAST * bugs and (not misnamed or misnamed < WRONG_AT_MOST * bugs)

    def equivalents(self) -> int:
        """The mutants that are listed as equivalent."""
        return sum(variant.equivalent is not None for variant in self.of("mutant"))

    def shortfalls(self) -> int:
        """How many things fall short; 0 means that the checks did all they should."""
        short = sum(len(variants) for kind in TITLES for variants in self.tally(kind).short.values())
        return short + (not self.enough_named()) + (self.repeated[1] if self.repeated else 0)


def explain(findings: Findings) -> Iterator[str]:
    """Everything that fell short, each with what it is and what happened."""
    for kind in TITLES:
        for standing, variants in findings.tally(kind).short.items():
            for variant in variants:
                yield _explain_one(findings, variant, standing)
    for variant in findings.of("bug"):
        outcome = findings.outcomes[variant.key]
        assert variant.bug is not None
        wrong = wrong_causes(variant, outcome)
        if outcome.lost and (wrong or not named(variant, outcome)):
            told = ", ".join(sorted({cause for causes in outcome.causes.values() for cause in causes})) or "nothing"
            word = "was told a wrong cause" if wrong else "was not told its cause"
            yield f"{variant.name} {word}: expected {variant.bug.cause}, told {told}."


def _explain_one(findings: Findings, variant: Variant, standing: Standing) -> str:
    outcome = findings.outcomes[variant.key]
    lines = [f"{TITLES[variant.kind]}: {variant.name} {WORDS[standing]}. {variant.what}"]
    if variant.items:
        lines.append(f"  its item: {' or '.join(variant.items)}")
    if outcome.lost:
        lines.append("  lost: " + ", ".join(f"{item} {points:g}" for item, points in sorted(outcome.lost.items())))
        told = [f"{item} {', '.join(causes)}" for item, causes in sorted(outcome.causes.items())]
        lines.append("  told: " + ("; ".join(told) or "no cause"))
    if outcome.failure:
        lines.append(_indented(outcome.failure))
    lines.append(_indented(findings.submission.diff(variant)))
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def summary(findings: Findings) -> str:
    """One line: the last of the command's output."""
    bugs, mutants, rewrites = (findings.tally(kind) for kind in ("bug", "mutant", "rewrite"))
    parts = [
        f"{bugs.right} of {bugs.variants} known bugs caught",
        f"{len(findings.named())} named, {len(findings.misnamed())} misnamed",
        f"{len(mutants.short.get('survived', ()))} of {mutants.variants} mutants survived unexplained, "
        f"{findings.equivalents()} as listed, {len(mutants.short.get('elsewhere', ()))} caught elsewhere only",
        f"{rewrites.variants - rewrites.right} false alarms in {rewrites.variants} rewrites",
    ]
    if findings.repeated is not None:
        parts.append(f"{findings.repeated[1]} of {findings.repeated[0]} repeated gradings differ")
    short = findings.shortfalls()
    return f"{findings.assignment.id}: {'; '.join(parts)}: " + (f"{short} fall short" if short else "all well")


def table(all_findings: Sequence[Findings], before: str = "") -> str:
    """docs/validity.md's table, a row for each homework; of the table `before`, the rows of the others stay."""
    head = (
        "| homework | known bugs caught on their item | named by their cause | given a wrong cause "
        "| generated mutants caught: on their item / elsewhere | equivalent | survived "
        "| false alarms in correct rewrites | repeated gradings that differ | checks |"
    )
    rule = "|" + "---|" * head.count(" |")
    rows = {row.split("|")[1].strip(): row for row in before.strip().splitlines()[2:]}
    rows.update({findings.assignment.id: _row(findings) for findings in all_findings})
    return "\n".join([head, rule, *(rows[name] for name in sorted(rows))])


def _row(findings: Findings) -> str:
    bugs, mutants, rewrites = (findings.tally(kind) for kind in ("bug", "mutant", "rewrite"))
    elsewhere = len(mutants.short.get("elsewhere", ()))
    unlisted = [variant for variant in findings.of("mutant") if variant.equivalent is None]
    caught = tally(unlisted, findings.outcomes).right
    survived = len(mutants.short.get("survived", ()))
    count, percent = bugs.variants, 100 * len(findings.named()) / max(bugs.variants, 1)
    repeated = "not tried" if findings.repeated is None else f"{findings.repeated[1]} of {findings.repeated[0]}"
    cells = [
        findings.assignment.id,
        f"{bugs.right} of {count}",
        f"{len(findings.named())} of {count} ({percent:.0f}%)",
        f"{len(findings.misnamed())} of {count}",
        f"{caught} / {elsewhere} of {mutants.variants}",
        f"{findings.equivalents()}",
        f"{survived}",
        f"{rewrites.variants - rewrites.right} of {rewrites.variants}",
        repeated,
        findings.grader,
    ]
    return "| " + " | ".join(cells) + " |"
