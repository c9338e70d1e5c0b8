"""Makes the fuzzer's own modules importable however pytest is started; atheris is not needed for them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
