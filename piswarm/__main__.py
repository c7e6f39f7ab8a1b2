"""`python -m piswarm` is the `piswarm` command."""

from piswarm.cli.main import main

if __name__ == "__main__":
    main()
