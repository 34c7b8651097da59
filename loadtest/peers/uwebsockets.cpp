// The peer `uWebSockets`: one topic, published to by POST. Ours; uWebSockets itself is not in this repository.
#include "App.h"

#include <cstdio>
#include <cstdlib>
#include <string>

struct Viewer {};

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    const int port = std::atoi(argv[1]);
    uWS::App app;
    app.ws<Viewer>("/ws", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 16 * 1024,
        .idleTimeout = 0,
        .maxBackpressure = 1024 * 1024,
        .sendPingsAutomatically = false,
        .open = [](auto *viewer) { viewer->subscribe("room"); },
    });
    app.post("/publish", [&app](auto *response, auto *) {
        response->onAborted([]() {});
        response->onData([&app, response, text = std::string()](std::string_view chunk, bool last) mutable {
            text.append(chunk);
            if (!last) return;
            app.publish("room", text, uWS::OpCode::TEXT, false);
            response->end("ok");
        });
    });
    app.listen("127.0.0.1", port, [port](auto *listening) {
        if (listening) return;
        std::fprintf(stderr, "port %d is taken\n", port);
        std::exit(1);
    });
    app.run();
}
