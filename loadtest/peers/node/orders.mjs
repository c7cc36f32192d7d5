// What a driver obeys on its stdin: `send ROUNDS JOINED`, answered with `sent DELIVERIES`; it ends when stdin does.
import { createInterface } from "node:readline";

export async function obey(send) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, rounds, joined] = line.split(" ");
    if (verb !== "send") throw new Error(`no such order: ${line}`);
    console.log(`sent ${await send(Number(rounds), Number(joined))}`);
  }
  process.exit(0);
}

// Lets the event loop turn once, as `await asyncio.sleep(0)` does in the Python drivers.
export const turn = () => new Promise((done) => setImmediate(done));
