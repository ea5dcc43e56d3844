# Every target sets up what it needs: a machine with Python 3.10 to 3.13 and make is enough.
PYTHON ?= python3
VENV := .venv
# TORCH=no leaves PyTorch out (200 MB and more): the NumPy homeworks grade without it, and its tests are skipped.
TORCH ?= yes
AUTOGRADER := $(VENV)/bin/autograder
SCRIPTS := setup.sh install_cpu_torch.sh run_autograder .ci/run $(wildcard docker/*.sh tests/harness/attacks/*.sh)

.PHONY: setup demo test attacks faults fuzz submissions lint format bench container-test docker-grade clean

setup: $(VENV)/.installed $(if $(filter no,$(TORCH)),,$(VENV)/.torch)

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.10 to 3.13 is needed; $$($(PYTHON) --version) came. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.torch: $(VENV)/.installed
	./install_cpu_torch.sh $(VENV)/bin/python $(shell sed -n 's/^ *"\(torch[a-z]*==[0-9.]*\)".*/\1/p' pyproject.toml)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[torch]'
	@touch $@

demo: $(VENV)/.installed
	$(AUTOGRADER) grade examples/csci567_hw3_buggy

# The attacks, which `make attacks` carries out in more than one setting, are left to it.
test: setup
	$(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile --ignore tests/harness/attacks

# Every hostile submission, as root and as an ordinary user, as far as this machine has both; ends with a line for each.
# CONTAINER=yes carries them out in a container, too (as `make container-test` does, among other things).
attacks: setup
	tests/harness/attacks/in_each_setting.sh
	$(if $(filter yes,$(CONTAINER)),BASE="$(BASE)" TORCH=no docker/container_test.sh -k every_attack_is_held)

# Every sample submission of every homework (about an hour); `make test` grades some of them.
submissions: setup
	AUTOGRADER_ALL_SUBMISSIONS=1 $(VENV)/bin/python -m pytest tests/harness/test_submissions.py tests/harness/test_same_results.py

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "shellcheck is missing: scripts unchecked"; fi

# Broken machines, and 200 graders killed at random moments; `make test` kills a few.
faults: setup
	AUTOGRADER_KILLS=200 $(VENV)/bin/python -m pytest -s tests/harness/test_faults.py

# Fuzzing: each target for MINUTES with atheris (on Linux) and as long with hypothesis, then EDITS randomly edited
# submissions of each NumPy homework. Inputs that fail are kept in build/fuzz.
MINUTES ?= 10
EDITS ?= 2500
fuzz: setup
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	mkdir -p build/fuzz
	set -e; for target in wire answers collect; do for engine in atheris hypothesis; do \
	  $(VENV)/bin/python tests/fuzz/fuzz.py $$target --engine $$engine --minutes $(MINUTES) --keep build/fuzz; done; done
	$(VENV)/bin/python tests/fuzz/grade_edits.py --count $(EDITS)

format: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: setup
	$(VENV)/bin/python benchmarks/cold_grade.py

# Grading in real containers; brings up a Docker engine where none answers, as root. BASE=image replaces its own base.
container-test: setup
	BASE="$(BASE)" docker/container_test.sh

# One submission as Gradescope would grade it: make docker-grade ID=csci567_hw3 SUBMISSION=folder [RESULTS=results.json]
RESULTS ?= results.json
docker-grade: setup
	docker/build_image.sh $(ID) autograder:$(ID) $(BASE)
	docker/grade.sh autograder:$(ID) "$(SUBMISSION)" "$(RESULTS)"

clean:
	rm -rf $(VENV)
