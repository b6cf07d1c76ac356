"""``python -m dmd_runtime.training.starter``; all else is in :mod:`~dmd_runtime.training.starter.command`.

It must be: processes that are started anew find nothing that is defined in a package's ``__main__``.
"""

import sys

from dmd_runtime.training.starter.command import main

if __name__ == "__main__":
    sys.exit(main())
