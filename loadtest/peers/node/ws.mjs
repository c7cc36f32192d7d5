// Peer: Node `ws`, a loop of `send` over its clients (ws has no broadcast of its own). Usage: node ws.mjs READERS PAYLOAD_BYTES
// Without compression, which is its best case.
import { WebSocketServer } from "ws";
import { obey, turn } from "./orders.mjs";

const [readers, payloadBytes] = process.argv.slice(2).map(Number);
const message = Buffer.alloc(payloadBytes, "x");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 1024 });

server.on("listening", () => console.log(`listening ${server.address().port}`));
server.on("connection", () => {
  if (server.clients.size === readers) console.log("ready");
});

await obey(async (rounds, joined) => {
  for (let round = 0; round < rounds; round++) {
    for (let number = 0; number < joined; number++) {
      for (const client of server.clients) client.send(message, { binary: true });
    }
    await turn();
  }
  return server.clients.size * rounds * joined;
});
