"""2.2.3: the overall accuracy and the accuracy per class."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from .accuracy import OVERALL, PER_CLASS, assert_measured, make_exam

# The last batch is smaller than the others, and classes differ in their number of pictures.
COUNT, BATCH = 230, 64


@number("2.2.3.1")
@weight(1.25)
@tags("public")
def test_overall(submission, probes, seen):
    """The overall accuracy is the share of all test pictures that are classified rightly"""
    assert_measured(probes, submission, seen, OVERALL, make_exam(1, COUNT, BATCH))


@number("2.2.3.2")
@weight(1.25)
@tags("public")
def test_per_class(submission, probes, seen):
    """The accuracy of a class is the share of its pictures that are classified rightly"""
    assert_measured(probes, submission, seen, PER_CLASS, make_exam(2, COUNT, BATCH))
