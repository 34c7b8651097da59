// The peer `ws`: node's usual WebSocket library, a room as most people write it.
const http = require("node:http");
const { WebSocketServer, WebSocket } = require("ws");

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const text = Buffer.concat(chunks).toString();
    for (const client of room.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(text);
    }
    response.end("ok");
  });
});
const room = new WebSocketServer({ server, path: "/ws", perMessageDeflate: false });
server.keepAliveTimeout = 600_000;
server.listen(Number(process.argv[2]), "127.0.0.1");
