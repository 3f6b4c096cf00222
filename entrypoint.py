"""What the container runs: the same command line as `modelperf-report`."""

import sys

from reporter.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
