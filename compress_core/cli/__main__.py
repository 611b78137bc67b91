"""python -m compress_core.cli is slimscope."""

from __future__ import annotations

from compress_core.cli import main

main()
