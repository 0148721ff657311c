package dev.tierwise.client;

import dev.tierwise.client.testing.FakeServer;

import org.junit.jupiter.api.AfterEach;

import java.util.Map;

/** A fake server and a client of it, over a loopback socket, for each test. */
abstract class Connected {
    final FakeServer server = FakeServer.start();
    final Client client = builder().build();

    /** Returns a builder that no variable of the machine reaches. */
    ClientBuilder builder() {
        return new ClientBuilder(Map.of()).endpoint(server.endpoint());
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
    }
}
