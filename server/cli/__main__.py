"""`python -m server.cli`, which `./callboard` runs."""

import sys

try:
    from server.cli import main

    main.run(sys.argv[1:])
except KeyboardInterrupt:  # typer handles it only after all imports
    sys.exit(130)
