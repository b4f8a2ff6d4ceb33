"""`python -m exp2proc`."""

import sys

from .cli import main

sys.exit(main())
