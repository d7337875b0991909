"""A link between a client and a server on this machine that takes its time: what goes one way arrives after half of the
round trip, however much is on its way."""

import asyncio
import threading


class Link:
    """Listens on a port of its own while it is entered."""

    def __init__(self, host, port, round_trip):
        self.to, self.half = (host, port), round_trip / 2
        self.loop = asyncio.new_event_loop()

    def __enter__(self):
        ready = threading.Event()

        async def listen():
            server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()

        self.loop.create_task(listen())
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _joined(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*self.to)
        await asyncio.gather(self._one_way(reader, far_writer), self._one_way(far_reader, writer))

    async def _one_way(self, reader, writer):
        """Sends on what comes, each piece when its time has come."""
        pieces = asyncio.Queue(maxsize=256)

        async def send():
            while (piece := await pieces.get()) is not None:
                at, content = piece
                await asyncio.sleep(max(0, at - self.loop.time()))
                writer.write(content)
                await writer.drain()
            writer.close()

        sending = asyncio.ensure_future(send())
        try:
            while content := await reader.read(1 << 16):
                await pieces.put((self.loop.time() + self.half, content))
        except ConnectionError:
            pass
        await pieces.put(None)
        try:
            await sending
        except ConnectionError:
            pass
