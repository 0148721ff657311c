package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Metadata;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Stream;

class ClientBuilderTest {
    private static ClientBuilder builder() {
        return new ClientBuilder(Map.of()).endpoint("localhost:1");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource({
        "'', '', 127.0.0.1:50051",
        "'', localhost:1, localhost:1",
        "localhost:2, localhost:1, localhost:2",
    })
    void argumentWinsOverVariableWinsOverDefault(String argument, String variable, String want) {
        ClientBuilder builder = new ClientBuilder(Map.of("TIERWISE_ENDPOINT", variable));
        try (Client client = builder.endpoint(argument).build()) {
            assertEquals("Client[" + want + "]", client.toString());
        }
    }

    @Test
    void keyIsSentAsABearerToken() {
        Metadata.Key<String> authorization = Settings.name("authorization");
        assertEquals("Bearer tw-1", Settings.headers(Map.of(), " tw-1\n").get(authorization));
        assertNull(Settings.headers(Map.of(), " ").get(authorization));
    }

    @Test
    void keyIsNeverPrinted() {
        ClientBuilder builder = builder().apiKey("tw-secret");
        try (Client client = builder.build()) {
            assertFalse((client + " " + builder).contains("secret"));
        }
        ClientBuilder unsendable = builder().apiKey("tw-\u0000secret");
        Throwable refused = assertThrows(IllegalArgumentException.class, unsendable::build);
        assertFalse(refused.getMessage().contains("secret"));
        assertFalse(new Tls(true, null, bytes("c"), bytes("secret")).toString().contains("secret"));
    }

    static Stream<Arguments> senseless() {
        return Stream.of(
                refused("a timeout of nothing", () -> builder().timeout(Duration.ZERO)),
                refused("a negative timeout", () -> builder().timeout(Duration.ofSeconds(-1))),
                refused(
                        "a key and an entry",
                        () -> builder().apiKey("k").metadata("authorization", "Basic x").build()),
                refused("an upper-case name", () -> builder().metadata("X-Team", "a")),
                refused("a name of gRPC's", () -> builder().metadata("grpc-timeout", "1S")),
                refused("an empty name", () -> builder().metadata("", "a")),
                refused("a binary entry", () -> builder().metadata("team-bin", "a")),
                refused("a value of two lines", () -> builder().metadata("team", "a\nb")),
                refused(
                        "certificates that are none",
                        () -> builder().rootCertificates(bytes("none")).build()),
                refused(
                        "a client certificate that is none",
                        () -> builder().clientCertificate(bytes("none"), bytes("none")).build()),
                refused(
                        "certificates without TLS",
                        () -> builder().rootCertificates(bytes("none")).tls(false).build()));
    }

    private static Arguments refused(String what, Runnable build) {
        return Arguments.of(what, build);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("senseless")
    void argumentThatMakesNoSenseIsRefused(String what, Runnable build) {
        assertThrows(IllegalArgumentException.class, build::run, what);
    }

    @Test
    void fileThatCannotBeReadIsSaidAtOnce() {
        Path none = Path.of("target", "none.pem");
        Throwable refused =
                assertThrows(
                        java.io.UncheckedIOException.class, () -> builder().rootCertificates(none));
        assertTrue(refused.getMessage().contains("none.pem"));
    }

    @Test
    void onlyNamedTargetsAreBalanced() {
        assertTrue(
                Settings.serviceConfig(Endpoint.read("dns:///router:50051"))
                        .containsKey("loadBalancingConfig"));
        assertFalse(
                Settings.serviceConfig(Endpoint.read("router:50051"))
                        .containsKey("loadBalancingConfig"));
    }
}
