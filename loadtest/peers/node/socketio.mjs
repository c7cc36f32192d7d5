// Peer: socket.io, `emit` to a room that every reader joined when it connected. Usage: node socketio.mjs READERS PAYLOAD_BYTES
// The WebSocket transport only, without compression; its ping is put off beyond the run.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { obey, turn } from "./orders.mjs";

const ROOM = "load-room";
const EVENT = "posted";
const PING_MS = 36_000_000;

const [readers, payloadBytes] = process.argv.slice(2).map(Number);
const body = "x".repeat(payloadBytes - `42["${EVENT}",""]`.length);
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: PING_MS,
  pingTimeout: PING_MS,
});

let here = 0;
io.on("connection", (socket) => {
  socket.join(ROOM);
  here += 1;
  if (here === readers) console.log("ready");
});
http.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => console.log(`listening ${http.address().port}`));

await obey(async (rounds, joined) => {
  for (let round = 0; round < rounds; round++) {
    for (let number = 0; number < joined; number++) io.to(ROOM).emit(EVENT, body);
    await turn();
  }
  return here * rounds * joined;
});
