package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EndpointTest {
    @ParameterizedTest
    @CsvSource({
        "localhost:50051, localhost, 50051, true",
        "LocalHost.:1, LocalHost., 1, true",
        "127.8.9.10:50051, 127.8.9.10, 50051, true",
        "127.0.0.1.example:50051, 127.0.0.1.example, 50051, false",
        "[::1]:50051, ::1, 50051, true",
        "[::2]:50051, ::2, 50051, false",
        "router.internal:50051, router.internal, 50051, false",
        "0.0.0.0:50051, 0.0.0.0, 50051, false",
        "[::ffff:127.0.0.1]:50051, ::ffff:127.0.0.1, 50051, false",
        "localhost.example:50051, localhost.example, 50051, false",
        "dns:///router.internal:50051, router.internal, 50051, false",
        "dns:localhost:50051, localhost, 50051, true",
        "dns://8.8.8.8/router, router, 0, false",
        "xds:localhost:50051, localhost, 50051, false",
        "unix:/run/tierwise.sock, /run/tierwise.sock, 0, true",
        "unix:///run/tierwise.sock, /run/tierwise.sock, 0, true",
    })
    void endpointIsReadAsGrpcWouldDialIt(String text, String host, int port, boolean loopback) {
        assertEquals(new Endpoint(text, host, port, loopback), Endpoint.read(text));
    }

    @ParameterizedTest
    @CsvSource({
        "https://router.internal, write host:port",
        "router.internal, has no port",
        "::1:50051, brackets",
        "router/x:50051, not host:port",
        "ipv4:127.0.0.1:50051, write host:port",
    })
    void endpointThatIsNoneIsRefusedWithWhatToWriteInstead(String text, String instead) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> Endpoint.read(text));
        assertTrue(refused.getMessage().contains(instead), refused.getMessage());
    }
}
