package dev.tierwise.client;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A gRPC target, read.
 *
 * @param target what gRPC is given
 * @param host the host's name or address (of several, the first), or a socket's path
 * @param port 0 when the target has none
 * @param loopback no packet to it leaves this machine
 */
record Endpoint(String target, String host, int port, boolean loopback) {
    // gRPC's own target schemes (its naming document); what follows a scheme's colon is not a port.
    private static final Pattern SCHEME =
            Pattern.compile(
                    "(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|passthrough):(.*)",
                    Pattern.CASE_INSENSITIVE);
    private static final Set<String> SCHEMES_OF_JAVA = Set.of("dns", "unix", "xds");
    private static final Pattern HOST_AND_PORT =
            Pattern.compile("(?:\\[([^\\]]+)\\]|([^:\\[\\]/]+))(?::([0-9]{1,5}))?");
    private static final Pattern LOOPBACK_V4 =
            Pattern.compile("127(?:\\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}");

    /**
     * Returns the endpoint that "host:port" or a gRPC target means.
     *
     * @throws IllegalArgumentException it is neither
     */
    static Endpoint read(String text) {
        Matcher matcher = SCHEME.matcher(text);
        if (!matcher.matches()) {
            return ofHost(text);
        }
        String scheme = matcher.group(1).toLowerCase(Locale.ROOT);
        String address = matcher.group(2);
        if (!SCHEMES_OF_JAVA.contains(scheme)) {
            throw new IllegalArgumentException(
                    "Java's gRPC knows no '" + scheme + "' targets; write host:port");
        }
        if (scheme.equals("unix")) {
            String path = address.startsWith("//") ? address.substring(2) : address;
            return new Endpoint(text, path, 0, true);
        }
        // dns://resolver/host:port: what is dialled comes last.
        Endpoint last = hostAndPort(address.substring(address.lastIndexOf('/') + 1));
        return new Endpoint(text, last.host, last.port, last.loopback && !scheme.equals("xds"));
    }

    private static Endpoint ofHost(String text) {
        if (text.contains("://")) {
            throw new IllegalArgumentException(
                    "endpoint '" + text + "' is a URL; write host:port (TLS is an option)");
        }
        Endpoint read = hostAndPort(text);
        if (read.port == 0) {
            throw new IllegalArgumentException(
                    "endpoint '" + text + "' has no port; write host:port");
        }
        return read;
    }

    private static Endpoint hostAndPort(String text) {
        Matcher matcher = HOST_AND_PORT.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "endpoint '" + text + "' is not host:port; an IPv6 address stands in brackets");
        }
        String host = matcher.group(1) == null ? matcher.group(2) : matcher.group(1);
        int port = matcher.group(3) == null ? 0 : Integer.parseInt(matcher.group(3));
        return new Endpoint(text, host, port, isLoopback(host));
    }

    private static boolean isLoopback(String host) {
        String name = host.endsWith(".") ? host.substring(0, host.length() - 1) : host;
        if (name.equalsIgnoreCase("localhost") || LOOPBACK_V4.matcher(host).matches()) {
            return true;
        }
        // A name is never looked up: only an IPv6 address has a colon.
        return host.contains(":") && isLoopbackV6(host);
    }

    private static boolean isLoopbackV6(String host) {
        try {
            // Java makes an IPv4 address of a mapped one.
            return InetAddress.getByName(host) instanceof Inet6Address address
                    && address.isLoopbackAddress();
        } catch (UnknownHostException noAddress) {
            return false;
        }
    }
}
