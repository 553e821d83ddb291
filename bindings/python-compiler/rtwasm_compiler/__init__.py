"""The compiler's library, for `rtwasm.compile`."""
from pathlib import Path

LIBRARY = Path(__file__).parent / "librtwasm_compiler.so.0.1"
