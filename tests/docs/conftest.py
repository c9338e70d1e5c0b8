"""Makes the documentation's own modules importable; mkdocs is not needed for them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
