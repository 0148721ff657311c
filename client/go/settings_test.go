package tierwise

import (
	"fmt"
	"strings"
	"testing"
)

func TestEndpointIsReadAsGRPCWouldDialIt(t *testing.T) {
	for text, want := range map[string]endpoint{
		"localhost:50051":              {host: "localhost", port: 50051, loopback: true},
		"LocalHost.:1":                 {host: "LocalHost.", port: 1, loopback: true},
		"127.8.9.10:50051":             {host: "127.8.9.10", port: 50051, loopback: true},
		"[::1]:50051":                  {host: "::1", port: 50051, loopback: true},
		"router.internal:50051":        {host: "router.internal", port: 50051},
		"0.0.0.0:50051":                {host: "0.0.0.0", port: 50051},
		"[::ffff:127.0.0.1]:50051":     {host: "::ffff:127.0.0.1", port: 50051},
		"localhost.example:50051":      {host: "localhost.example", port: 50051},
		"dns:///router.internal:50051": {host: "router.internal", port: 50051},
		"dns:localhost:50051":          {host: "localhost", port: 50051, loopback: true},
		"dns://8.8.8.8/router":         {host: "router"},
		"unix:/run/tierwise.sock":      {host: "/run/tierwise.sock", loopback: true},
		"unix:///run/tierwise.sock":    {host: "/run/tierwise.sock", loopback: true},
	} {
		want.target = text
		if got, err := readEndpoint(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestEndpointThatIsNoneIsRefusedWithWhatToWriteInstead(t *testing.T) {
	for text, want := range map[string]string{
		"https://router.internal": "write host:port",
		"router.internal":         "has no port",
		"::1:50051":               "brackets",
		"router/x:50051":          "not host:port",
		"ipv4:127.0.0.1:50051":    "write host:port",
	} {
		if _, err := New(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
}

func TestArgumentWinsOverVariableWinsOverDefault(t *testing.T) {
	for _, c := range []struct{ argument, variable, want string }{
		{"", "", DefaultEndpoint},
		{"", "localhost:1", "localhost:1"},
		{"localhost:2", "localhost:1", "localhost:2"},
	} {
		t.Setenv(EndpointVariable, c.variable)
		if got, err := endpointFrom(c.argument); err != nil || got.target != c.want {
			t.Errorf("%+v: got %q, %v", c, got.target, err)
		}
	}
}

func headersWith(t *testing.T, options ...ClientOption) string {
	t.Helper()
	s, err := settingsFrom(options)
	if err != nil {
		t.Fatal(err)
	}
	headers, err := s.headers()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(headers, "|")
}

func TestKeyIsSentAsABearerToken(t *testing.T) {
	t.Setenv(APIKeyVariable, " tw-env\n")
	if got := headersWith(t); got != "authorization|Bearer tw-env" {
		t.Errorf("from the variable: %q", got)
	}
	if got := headersWith(t, WithAPIKey("tw-arg")); got != "authorization|Bearer tw-arg" {
		t.Errorf("from the argument: %q", got)
	}
	if got := headersWith(t, WithAPIKey("")); got != "" {
		t.Errorf("an empty key is sent: %q", got)
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	client, err := New("localhost:1", WithAPIKey("tw-secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{client, *client} {
			if got := fmt.Sprintf(format, value); got != `tierwise.Client("localhost:1")` {
				t.Errorf("%s of %T: %s", format, value, got)
			}
		}
	}
	_, err = New("localhost:1", WithAPIKey("tw-\x00secret"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, options := range map[string][]ClientOption{
		"a timeout of nothing":         {WithTimeout(0)},
		"a key and an entry":           {WithAPIKey("k"), WithMetadata(map[string]string{"authorization": "Basic x"})},
		"an upper-case name":           {WithMetadata(map[string]string{"X-Team": "a"})},
		"a name of gRPC's":             {WithMetadata(map[string]string{"grpc-timeout": "1S"})},
		"certificates that are none":   {WithRootCertificates([]byte("none"))},
		"a certificate without a key":  {WithClientCertificate([]byte("none"), nil)},
		"a TLS configuration of none":  {WithTLSConfig(nil)},
		"a timeout below no timeout":   {WithTimeout(-5)},
		"an empty name in the entries": {WithMetadata(map[string]string{"": "a"})},
	} {
		if client, err := New("localhost:1", options...); err == nil {
			t.Errorf("%s: got %v", name, client)
		}
	}
}

func TestOnlyNamedTargetsAreBalanced(t *testing.T) {
	balanced := func(target string) bool {
		return strings.Contains(serviceConfigFor(endpoint{target: target}), "round_robin")
	}
	if !balanced("dns:///router:50051") || balanced("router:50051") {
		t.Error("round_robin is for dns: targets")
	}
}
