"""A reader whose documents are read inside the process: a simulated world starts no others. What reads them is what
ships; what is not there is the process around it, with its bounds."""

from kelpie.errors import UnreadableFile
from kelpie.files.reading import child
from kelpie.files.reading.reader import Reader
from umi.dst.threads import in_thread


class SimReader(Reader):
    async def _in_child(self, kind: str, content: bytes) -> str:
        answer = await in_thread(child.answer, kind, content)
        if answer[:1] == b"T":
            return answer[1:].decode()
        raise UnreadableFile(answer[1:].decode("utf-8", "replace"))
