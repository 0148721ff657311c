package tierwise

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/resolver"
)

// An endpoint is a gRPC target, read.
type endpoint struct {
	// What gRPC is given.
	target string
	// The host's name or address (of several, the first), or a socket's path.
	host string
	// 0 when the target has none.
	port int
	// No packet to it leaves this machine.
	loopback bool
}

var (
	// gRPC's own target schemes (its naming document); what follows a scheme's colon is not a port.
	scheme      = regexp.MustCompile(`(?i)^(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|passthrough):`)
	hostAndPort = regexp.MustCompile(`^(?:\[([^\]]+)\]|([^:\[\]/]+))(?::([0-9]{1,5}))?$`)
)

// readEndpoint returns the endpoint that "host:port" or a gRPC target means.
func readEndpoint(text string) (endpoint, error) {
	prefix := scheme.FindString(text)
	if prefix == "" && strings.Contains(text, "://") {
		return endpoint{}, fmt.Errorf("tierwise: endpoint %q is a URL; write host:port (TLS is an option)", text)
	}
	name := strings.ToLower(strings.TrimSuffix(prefix, ":"))
	address := text[len(prefix):]
	switch name {
	case "":
		return hostEndpoint(text)
	case "unix", "unix-abstract":
		return endpoint{target: text, host: strings.TrimPrefix(address, "//"), loopback: true}, nil
	}
	if resolver.Get(name) == nil {
		return endpoint{}, fmt.Errorf(
			"tierwise: gRPC knows no %q targets here; write host:port, or import the package that registers them", name)
	}
	return listEndpoint(text, name, address)
}

func hostEndpoint(text string) (endpoint, error) {
	host, port, err := splitHost(text)
	if err == nil && port == 0 {
		err = fmt.Errorf("tierwise: endpoint %q has no port; write host:port", text)
	}
	return endpoint{target: text, host: host, port: port, loopback: isLoopback(host)}, err
}

// listEndpoint reads a target that may name several addresses; they are all loopback, or none is.
func listEndpoint(text, name, address string) (endpoint, error) {
	// dns://resolver/host:port: what is dialled comes last.
	last := address[strings.LastIndex(address, "/")+1:]
	read := endpoint{target: text, loopback: name != "xds"}
	for i, part := range strings.Split(last, ",") {
		host, port, err := splitHost(part)
		if err != nil {
			return endpoint{}, err
		}
		if i == 0 {
			read.host, read.port = host, port
		}
		read.loopback = read.loopback && isLoopback(host)
	}
	return read, nil
}

func splitHost(text string) (string, int, error) {
	match := hostAndPort.FindStringSubmatch(text)
	if match == nil {
		return "", 0, fmt.Errorf("tierwise: endpoint %q is not host:port; an IPv6 address stands in brackets", text)
	}
	port, _ := strconv.Atoi("0" + match[3])
	return match[1] + match[2], port, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && !address.Is4In6() && address.IsLoopback()
}
