package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.tierwise.client.testing.FakeServer;

import io.grpc.TlsServerCredentials;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.Map;

@Timeout(30)
class TlsTest {
    private static final String PASSWORD = "changeit";

    @TempDir static Path folder;
    private static byte[] certificate;
    private static byte[] key;
    private static FakeServer server;

    @BeforeAll
    static void start() throws IOException, GeneralSecurityException, InterruptedException {
        certify();
        server =
                FakeServer.start(
                        TlsServerCredentials.newBuilder()
                                .keyManager(stream(certificate), stream(key))
                                .trustManager(stream(certificate))
                                .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                                .build());
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    /** Makes a self-signed certificate of 127.0.0.1 and its key, in PEM. */
    private static void certify()
            throws IOException, GeneralSecurityException, InterruptedException {
        Path file = folder.resolve("keys.p12");
        String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        int status =
                new ProcessBuilder(
                                keytool,
                                "-genkeypair",
                                "-alias",
                                "test",
                                "-keyalg",
                                "EC",
                                "-dname",
                                "CN=test",
                                "-ext",
                                "san=ip:127.0.0.1",
                                "-keystore",
                                file.toString(),
                                "-storepass",
                                PASSWORD)
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("log").toFile())
                        .start()
                        .waitFor();
        assertEquals(0, status);
        KeyStore keys = KeyStore.getInstance(file.toFile(), PASSWORD.toCharArray());
        certificate = pem("CERTIFICATE", keys.getCertificate("test").getEncoded());
        key = pem("PRIVATE KEY", keys.getKey("test", PASSWORD.toCharArray()).getEncoded());
    }

    private static byte[] pem(String name, byte[] content) {
        String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
        return ("-----BEGIN " + name + "-----\n" + text + "\n-----END " + name + "-----\n")
                .getBytes(StandardCharsets.US_ASCII);
    }

    private static InputStream stream(byte[] content) {
        return new ByteArrayInputStream(content);
    }

    private static ClientBuilder builder() {
        return new ClientBuilder(Map.of()).endpoint(server.endpoint());
    }

    private static String tierWith(ClientBuilder builder) {
        try (Client client = builder.build()) {
            return client.route(RouteOptions.DEFAULT).decision().tier();
        }
    }

    @Test
    void certificatesSwitchTlsOn() {
        assertEquals(
                "efficient",
                tierWith(
                        builder()
                                .rootCertificates(certificate)
                                .clientCertificate(certificate, key)));
    }

    @Test
    void certificatesAreReadFromFilesToo() throws IOException {
        Path roots = Files.write(folder.resolve("certificate.pem"), certificate);
        Path own = Files.write(folder.resolve("key.pem"), key);
        assertEquals(
                "efficient",
                tierWith(builder().rootCertificates(roots).clientCertificate(roots, own)));
    }

    @Test
    void callerWithoutACertificateIsTurnedAway() {
        assertThrows(
                UnavailableException.class,
                () -> tierWith(builder().rootCertificates(certificate)));
    }

    @Test
    void authorityThatIsNotTrustedIsNotTalkedTo() {
        assertThrows(UnavailableException.class, () -> tierWith(builder().tls(true)));
    }

    @Test
    void clearTextIsTurnedAway() {
        assertThrows(UnavailableException.class, () -> tierWith(builder()));
    }
}
