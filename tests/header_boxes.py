"""The boxes of the header in a page that AppTest ran."""

from __future__ import annotations

from collections.abc import Iterator

from streamlit.proto.Block_pb2 import Block as BlockProto
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block


def box_labels(app: AppTest) -> list[str]:
    """The labels of all boxes that open, in their order."""
    return [block.proto.popover.label for block in _boxes(app.main)]


def header_text(app: AppTest) -> str:
    """Every word on those boxes and in them."""
    inside = [
        str(getattr(node, "value", "")) for block in _boxes(app.main) for node in block if node is not block
    ]
    return "\n".join([*box_labels(app), *inside])


def _boxes(block: Block) -> Iterator[Block]:
    for child in block.children.values():
        if isinstance(child, Block):
            if isinstance(child.proto, BlockProto) and child.proto.WhichOneof("type") == "popover":
                yield child
            else:
                yield from _boxes(child)
