"""Helper modules beside the tests of this folder can be imported by their names."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
