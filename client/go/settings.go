package tierwise

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// EndpointVariable and APIKeyVariable are what New reads where no argument is given.
	EndpointVariable = "TIERWISE_ENDPOINT"
	APIKeyVariable   = "TIERWISE_API_KEY"
	// DefaultEndpoint is where a client looks for the server without argument and variable.
	DefaultEndpoint = "127.0.0.1:50051"
	// DefaultTimeout is the time limit of a call whose context has no deadline.
	DefaultTimeout = 600 * time.Second
	// NoTimeout, given to WithTimeout, leaves a call without a limit unless its context has one.
	NoTimeout time.Duration = -1

	maxMessageBytes  = 16 << 20
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// Retry before the first message only, and never storm: gRFC A6 stops retries once half of the tokens are spent, and a
// success gives a tenth back.
const serviceConfig = `{
	"methodConfig": [{
		"name": [{"service": "tierwise.v1.RouterService"}],
		"retryPolicy": {
			"maxAttempts": 3, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}],
	"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}%s
}`

// A ClientOption says how a client reaches its server.
type ClientOption func(*settings) error

// settings are what options, environment and defaults amount to, in this order.
type settings struct {
	apiKey         *string
	timeout        time.Duration
	tls            *bool
	tlsConfig      *tls.Config
	metadata       map[string]string
	dialOptions    []grpc.DialOption
	tracerProvider trace.TracerProvider
	propagator     propagation.TextMapPropagator
}

// WithAPIKey gives the key, sent as "authorization: Bearer", instead of TIERWISE_API_KEY. Empty: none is sent.
func WithAPIKey(key string) ClientOption {
	return func(s *settings) error { s.apiKey = &key; return nil }
}

// WithTimeout sets the time limit of a call whose context has no deadline; [NoTimeout] for none.
func WithTimeout(timeout time.Duration) ClientOption {
	return func(s *settings) error {
		if timeout <= 0 && timeout != NoTimeout {
			return fmt.Errorf("tierwise: a timeout is above 0, or NoTimeout, not %v", timeout)
		}
		s.timeout = timeout
		return nil
	}
}

// WithTLS switches TLS on or off. Default: on, unless the host is loopback and no certificate is given. Off towards
// another host sends the key in the clear.
func WithTLS(on bool) ClientOption {
	return func(s *settings) error { s.tls = &on; return nil }
}

// WithTLSConfig switches TLS on, with this configuration; it is copied.
func WithTLSConfig(config *tls.Config) ClientOption {
	return func(s *settings) error {
		if config == nil || s.tlsConfig != nil {
			return errors.New("tierwise: give one TLS configuration, before any certificate")
		}
		s.tlsConfig = config.Clone()
		return nil
	}
}

// WithRootCertificates names, in PEM, the authorities to trust instead of the system's; it switches TLS on.
func WithRootCertificates(pem []byte) ClientOption {
	return func(s *settings) error {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return errors.New("tierwise: the root certificates hold no PEM certificate")
		}
		s.configureTLS().RootCAs = roots
		return nil
	}
}

// WithClientCertificate gives this side's certificate and key, in PEM, for mTLS; it switches TLS on.
func WithClientCertificate(certificate, key []byte) ClientOption {
	return func(s *settings) error {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("tierwise: the client certificate: %w", err)
		}
		s.configureTLS().Certificates = []tls.Certificate{pair}
		return nil
	}
}

// WithMetadata sends these entries with every call, e.g. for a proxy on the way. Names are lower-case.
func WithMetadata(metadata map[string]string) ClientOption {
	return func(s *settings) error {
		for name := range metadata {
			if name == "" || name != strings.ToLower(name) || strings.HasPrefix(name, "grpc-") {
				return fmt.Errorf("tierwise: metadata name %q must be lower-case and not begin with 'grpc-'", name)
			}
		}
		s.metadata = maps.Clone(metadata)
		return nil
	}
}

// WithDialOptions adds gRPC dial options; they replace the client's own where they say the same thing.
func WithDialOptions(options ...grpc.DialOption) ClientOption {
	return func(s *settings) error { s.dialOptions = append(s.dialOptions, options...); return nil }
}

// WithTracerProvider makes spans with this provider of OpenTelemetry instead of the process's.
func WithTracerProvider(provider trace.TracerProvider) ClientOption {
	return func(s *settings) error { s.tracerProvider = provider; return nil }
}

// WithPropagator sends trace context as this propagator does. Default: the process's; W3C trace context and baggage
// where it has none.
func WithPropagator(propagator propagation.TextMapPropagator) ClientOption {
	return func(s *settings) error { s.propagator = propagator; return nil }
}

func settingsFrom(options []ClientOption) (*settings, error) {
	s := &settings{timeout: DefaultTimeout}
	for _, option := range options {
		if err := option(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settings) configureTLS() *tls.Config {
	if s.tlsConfig == nil {
		s.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return s.tlsConfig
}

func (s *settings) credentials(server endpoint) (credentials.TransportCredentials, error) {
	on := s.tlsConfig != nil || !server.loopback
	if s.tls != nil {
		on = *s.tls
	}
	if on {
		return credentials.NewTLS(s.configureTLS()), nil
	}
	if s.tlsConfig != nil {
		return nil, errors.New("tierwise: certificates were given although TLS is off")
	}
	return insecure.NewCredentials(), nil
}

// options returns how gRPC is to dial; the caller's options come last and win.
func (s *settings) options(server endpoint) ([]grpc.DialOption, error) {
	transport, err := s.credentials(server)
	if err != nil {
		return nil, err
	}
	ours := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("tierwise-go/" + Version),
		grpc.WithDefaultServiceConfig(serviceConfigFor(server)),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes),
			grpc.MaxCallSendMsgSize(maxMessageBytes),
			// A request that does not fit here is not retried; gRPC's own 256 KiB is less than a long prompt.
			grpc.MaxRetryRPCBufferSize(maxMessageBytes),
		),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true,
		}),
	}
	return append(ours, s.dialOptions...), nil
}

func serviceConfigFor(server endpoint) string {
	balancing := ""
	if strings.HasPrefix(strings.ToLower(server.target), "dns:") {
		balancing = `, "loadBalancingConfig": [{"round_robin": {}}]`
	}
	return fmt.Sprintf(serviceConfig, balancing)
}

// headers returns what is sent with every call, as names and values in turn.
func (s *settings) headers() ([]string, error) {
	var pairs []string
	for name, value := range s.metadata {
		pairs = append(pairs, name, value)
	}
	key := os.Getenv(APIKeyVariable)
	if s.apiKey != nil {
		key = *s.apiKey
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return pairs, nil
	}
	if _, twice := s.metadata["authorization"]; twice {
		return nil, errors.New("tierwise: give an API key or an authorization entry in the metadata, not both")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("tierwise: the API key has characters that cannot be sent in a header")
	}
	return append(pairs, "authorization", "Bearer "+key), nil
}

func endpointFrom(argument string) (endpoint, error) {
	return readEndpoint(cmp.Or(argument, os.Getenv(EndpointVariable), DefaultEndpoint))
}
