"""``python -m physlearn``: the same as the command ``physlearn``."""

from physlearn.cli import main

if __name__ == "__main__":
    main()
