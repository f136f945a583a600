"""`python -m schema` renews the committed SDL."""

from pathlib import Path

from schema import root

SDL = Path(__file__).with_name("schema.graphql")


def text() -> str:
    return root.api.as_str() + "\n"


if __name__ == "__main__":
    SDL.write_text(text(), "utf-8")
