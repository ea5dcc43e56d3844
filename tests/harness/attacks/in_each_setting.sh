#!/usr/bin/env bash
# Carries out every attack in the settings that this machine has: as root, and as an ordinary user. Started as root it
# does both, the second in copies of this tree and of the interpreter that such a user can read; started by an ordinary
# user it can do only the second, and says so. Ends with a line per setting.
#   VENV             the environment that holds the autograder and what its tests need (default: .venv)
#   ORDINARY_ONE_IN  try only every so many of the attacks as an ordinary user, where root has tried all of them
set -euo pipefail

root=$(cd "$(dirname "$0")/../../.." && pwd)
python=${VENV:-$root/.venv}/bin/python
ordinary=59999 # any id without a name and without a process
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0
summary=()

carry_out() { # WORDS COMMAND... (of a Python; pytest's arguments follow)
  local words=$1 said=$scratch/said
  shift
  # Not through env: the command may be a function of this script.
  AUTOGRADER_ATTACKS_SETTING=$words "$@" -m pytest -q --durations=5 tests/harness/attacks 2>&1 | tee "$said" || status=1
  summary+=("$(grep '^attacks: ' "$said" || echo "attacks: none were carried out ($words)")")
}

# What an ordinary user can read: a copy of the sources, an environment that finds this one's libraries, and copies of
# the interpreter and the libraries where they stand in somebody's private folder.
make_readable() {
  local version prefix libraries
  version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
  libraries=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  chmod 755 "$scratch"
  if ! as_ordinary test -x "$prefix/bin/$version"; then prefix=$(readable_copy "$prefix"); fi
  if ! as_ordinary test -r "$libraries/pytest"; then libraries=$(readable_copy "$libraries"); fi
  mkdir -p "$scratch/tree/tests/harness"
  cp -R autograder pyproject.toml "$scratch/tree"
  cp -R tests/harness/attacks "$scratch/tree/tests/harness"
  chown -R "$ordinary:$ordinary" "$scratch/tree"
  "$prefix/bin/$version" -m venv --without-pip "$scratch/venv"
  printf '%s\n' "$scratch/tree" "$libraries" >"$scratch/venv/lib/$version/site-packages/attacked.pth"
  chmod -R a+rX "$scratch/venv"
}

readable_copy() { # FOLDER; hard links where they can be made, which costs no space
  local copy=$scratch/copies/${1##*/}
  mkdir -p "$scratch/copies"
  chmod 755 "$scratch/copies"
  cp -al "$1" "$copy" 2>/dev/null || { rm -rf "$copy" && cp -a "$1" "$copy"; }
  echo "$copy"
}

as_ordinary() {
  setpriv --reuid "$ordinary" --regid "$ordinary" --clear-groups --inh-caps=-all "$@"
}

cd "$root"
if [ "$(id -u)" != 0 ]; then
  carry_out "an ordinary user" "$python"
  summary+=("attacks: SKIPPED as root: started by an ordinary user")
else
  carry_out "root" "$python"
  if command -v setpriv >/dev/null; then
    make_readable
    cd "$scratch/tree"
    # A copied interpreter would look for its own library where it was built.
    libraries=$("$scratch/venv/bin/python" -c 'import sys; print(sys.base_prefix)' 2>/dev/null)/lib
    HOME=$scratch/tree TMPDIR=/tmp LD_LIBRARY_PATH=$libraries AUTOGRADER_ATTACKS_ONE_IN=${ORDINARY_ONE_IN:-1} \
      carry_out "an ordinary user" as_ordinary "$scratch/venv/bin/python"
    cd "$root"
  else
    summary+=("attacks: SKIPPED as an ordinary user: setpriv (util-linux) is missing")
  fi
fi
printf '%s\n' "${summary[@]}"
exit "$status"
