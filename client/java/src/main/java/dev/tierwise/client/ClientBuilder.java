package dev.tierwise.client;

import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * How a client reaches its server. An argument wins over the environment, which wins over the
 * default.
 */
public final class ClientBuilder {
    private final Map<String, String> environment;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private String endpoint = "";
    private String apiKey;
    private Duration timeout = Client.DEFAULT_TIMEOUT;
    private Tls tls = Tls.UNSAID;
    private Consumer<ManagedChannelBuilder<?>> more = channel -> {};
    private Tracing tracing;

    ClientBuilder(Map<String, String> environment) {
        this.environment = environment;
    }

    /**
     * Says where the server is: "host:port", or a gRPC target such as
     * "dns:///router.internal:50051", which spreads calls over all addresses. Empty stands for
     * {@code TIERWISE_ENDPOINT}, else 127.0.0.1:50051.
     */
    public ClientBuilder endpoint(String endpoint) {
        this.endpoint = endpoint;
        return this;
    }

    /**
     * Gives the key, sent as {@code authorization: Bearer}, instead of {@code TIERWISE_API_KEY}.
     * Empty: none is sent.
     */
    public ClientBuilder apiKey(String key) {
        this.apiKey = key;
        return this;
    }

    /**
     * Sets the time limit of calls that have none of their own.
     *
     * @param timeout above zero; {@link Client#NO_TIMEOUT} for none
     */
    public ClientBuilder timeout(Duration timeout) {
        this.timeout = Client.checkedTimeout(timeout);
        return this;
    }

    /**
     * Switches TLS on or off. Default: on, unless the host is loopback and no certificate is given.
     * Off towards another host sends the key in the clear.
     */
    public ClientBuilder tls(boolean on) {
        this.tls = new Tls(on, tls.roots(), tls.certificate(), tls.key());
        return this;
    }

    /** Names, in PEM, the authorities to trust instead of Java's; switches TLS on. */
    public ClientBuilder rootCertificates(byte[] pem) {
        this.tls = new Tls(tls.on(), pem.clone(), tls.certificate(), tls.key());
        return this;
    }

    /**
     * As {@link #rootCertificates(byte[])}, from a file, read now.
     *
     * @throws UncheckedIOException the file cannot be read
     */
    public ClientBuilder rootCertificates(Path pem) {
        return rootCertificates(bytes(pem));
    }

    /** Gives this side's certificate and its key (PKCS 8), in PEM, for mTLS; switches TLS on. */
    public ClientBuilder clientCertificate(byte[] certificate, byte[] key) {
        this.tls = new Tls(tls.on(), tls.roots(), certificate.clone(), key.clone());
        return this;
    }

    /**
     * As {@link #clientCertificate(byte[], byte[])}, from files, read now.
     *
     * @throws UncheckedIOException a file cannot be read
     */
    public ClientBuilder clientCertificate(Path certificate, Path key) {
        return clientCertificate(bytes(certificate), bytes(key));
    }

    /** Sends this entry with every call, e.g. for a proxy on the way. Names are lower-case. */
    public ClientBuilder metadata(String name, String value) {
        Settings.checkEntry(name, value);
        metadata.put(name, value);
        return this;
    }

    /** Sets more of the gRPC channel; what it sets replaces the client's own settings. */
    public ClientBuilder channel(Consumer<ManagedChannelBuilder<?>> more) {
        this.more = this.more.andThen(more);
        return this;
    }

    /**
     * Says how calls are traced. Default: by the process's OpenTelemetry, where the program has its
     * API. Another one: {@code OpenTelemetryTracing.of(telemetry)}.
     */
    public ClientBuilder tracing(Tracing tracing) {
        this.tracing = tracing;
        return this;
    }

    /**
     * Returns the client. Nothing is sent before its first call.
     *
     * @throws IllegalArgumentException an argument or a variable makes no sense; a key's text is
     *     never in the message
     */
    public Client build() {
        Endpoint server =
                Endpoint.read(given(endpoint, "TIERWISE_ENDPOINT", Client.DEFAULT_ENDPOINT));
        Metadata headers =
                Settings.headers(
                        metadata, apiKey == null ? given("", "TIERWISE_API_KEY", "") : apiKey);
        Tracing spans = tracing == null ? Tracing.ofProcess() : tracing;
        return new Client(server, connection(server), headers, timeout, spans);
    }

    private ManagedChannel connection(Endpoint server) {
        ManagedChannelBuilder<?> channel;
        try {
            channel = Grpc.newChannelBuilder(server.target(), tls.credentials(server));
        } catch (RuntimeException refused) {
            // gRPC's own message has no key in it.
            throw new IllegalArgumentException(refused.getMessage(), refused);
        }
        Settings.apply(channel, server);
        more.accept(channel);
        return channel.build();
    }

    private String given(String argument, String variable, String otherwise) {
        if (!argument.isEmpty()) {
            return argument;
        }
        String value = environment.getOrDefault(variable, "");
        return value.isEmpty() ? otherwise : value;
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException cause) {
            throw new UncheckedIOException(cause);
        }
    }
}
