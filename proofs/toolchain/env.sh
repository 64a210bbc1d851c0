# shellcheck shell=bash
# Sourced by bash scripts: puts the tools that setup.sh chose first in PATH and points Why3 at its configuration.
# SPDX-License-Identifier: Apache-2.0
#
#   . proofs/toolchain/env.sh
#
# VERISPAN_TOOLCHAIN is the folder they are in: $BUILD/toolchain, with BUILD relative to the repository.

VERISPAN_TOOLCHAIN=$(
  cd "$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")" || exit
  realpath -m "${BUILD:-build}/toolchain"
)
export VERISPAN_TOOLCHAIN
export WHY3CONFIG="$VERISPAN_TOOLCHAIN/why3.conf"
case ":$PATH:" in
  ":$VERISPAN_TOOLCHAIN/bin:"*) ;;
  *) export PATH="$VERISPAN_TOOLCHAIN/bin:$PATH" ;;
esac
