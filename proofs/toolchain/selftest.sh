#!/bin/bash
# Shows that the installed tools do their work: each prover alone proves a goal and refuses a false one, and CBMC
# with each solver accepts a correct program and finds the bug of a wrong one.
# SPDX-License-Identifier: Apache-2.0

set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=env.sh
. "$here/env.sh"
[ $# = 0 ] || { echo "usage: proofs/toolchain/selftest.sh" >&2 && exit 2; }
"$here/setup.sh" --check prove bmc || { echo "selftest: error: first run proofs/toolchain/setup.sh prove bmc" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

# Compares what a tool answered with what it has to answer.
expect() {
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    echo "FAILED: $1: answered '$2' instead of '$3'" >&2
    failed=1
  fi
}

# Neither goal is trivial for WP's own simplifier, and the false one holds for every value but one.
cat >goals.c <<'C'
/*@ logic integer f(integer n);
    axiomatic F { axiom f_grows: \forall integer n; f(n + 1) > f(n); } */
/*@ lemma right: \forall integer a, b; a == b + 2 ==> f(a) > f(b) + 1; */
C
cat >false.c <<'C'
/*@ check lemma wrong: \forall integer a; 0 <= a < 1000 ==> a * a != 961; */
C
for prover in alt-ergo z3 cvc4; do
  # The number of goals that WP says are proved.
  answer() { frama-c -wp -wp-prover "$prover" -wp-timeout 5 "$1" 2>&1 | sed -nE 's/.*Proved goals: +([0-9]+) .*/\1/p'; }
  expect "$prover proves a goal" "$(answer goals.c)" 1
  expect "$prover does not prove a false goal" "$(answer false.c)" 0
done

cat >right.c <<'C'
unsigned nondet_unsigned(void);
int main(void) {
  unsigned table[31] = {0}, i = nondet_unsigned();
#ifdef WRONG
  __CPROVER_assume(i <= 31);
#else
  __CPROVER_assume(i < 31);
#endif
  table[i] = i;
  __CPROVER_assert(table[i] == i && (i ^ 16) + 2 * (i & 16) == i + 16, "readback");
  return 0;
}
C
for solver in minisat cadical; do
  options=()
  [ "$solver" = minisat ] || options=(--external-sat-solver "$solver")
  for define in RIGHT WRONG; do
    goto-cc -D"$define" -o "$define.goto" right.c
    verdict=$({ cbmc "${options[@]}" "$define.goto" 2>&1 || true; } | sed -n 's/^VERIFICATION //p')
    if [ "$define" = RIGHT ]; then
      expect "cbmc with $solver accepts a correct program" "$verdict" SUCCESSFUL
    else
      expect "cbmc with $solver finds a bug" "$verdict" FAILED
    fi
  done
done
exit "$failed"
