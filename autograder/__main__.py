"""`python -m autograder`: the same as the `autograder` command, from an unzipped kit as well."""

import sys

from autograder.cli import main

sys.exit(main())
