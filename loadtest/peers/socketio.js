// The peer `socket.io`: one room, objects emitted to everybody, over WebSocket only.
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer((request, response) => {
  if (request.url !== "/publish") return;
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    room.emit("change", JSON.parse(Buffer.concat(chunks).toString()));
    response.end("ok");
  });
});
const room = new Server(server, { transports: ["websocket"], serveClient: false });
server.keepAliveTimeout = 600_000;
server.listen(Number(process.argv[2]), "127.0.0.1");
