"""umi by itself: a memory in one file, no server, no key.

python examples/remember.py memory.db
"""

import asyncio
import sys

from umi import Memory


async def main(path: str) -> None:
    async with await Memory.open(path, scope="ada") as memory:
        await memory.remember("Ada's cat is called Miso.", tags=["pets"])
        await memory.remember("Ada works at Initech since March.")
        await memory.core.append("human", "Name: Ada")
        for found in await memory.recall("What is the cat called?"):
            print(f"{found.score:.2f}  {found.fact.text}")
        for block in await memory.core.blocks():
            print(f"{block.label}: {block.value}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "memory.db"))
