package tierwise_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"tierwise.dev/client"
	"tierwise.dev/client/tierwisetest"
)

// certified returns a self-signed certificate of 127.0.0.1 and its key, in PEM.
func certified(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

func TestCertificatesSwitchTLSOn(t *testing.T) {
	certificate, key := certified(t)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	callers := x509.NewCertPool()
	callers.AppendCertsFromPEM(certificate)
	server, err := tierwisetest.NewFakeServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: callers, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, c := range map[string]struct {
		options []tierwise.ClientOption
		works   bool
	}{
		"both certificates": {[]tierwise.ClientOption{
			tierwise.WithRootCertificates(certificate), tierwise.WithClientCertificate(certificate, key)}, true},
		"a configuration": {[]tierwise.ClientOption{tierwise.WithTLSConfig(&tls.Config{
			RootCAs: callers, Certificates: []tls.Certificate{pair}})}, true},
		"no certificate of the client": {[]tierwise.ClientOption{tierwise.WithRootCertificates(certificate)}, false},
		"an authority not trusted":     {[]tierwise.ClientOption{tierwise.WithTLS(true)}, false},
		"in the clear":                 {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := tierwise.New(server.Endpoint(), c.options...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Route(t.Context(), nil)
			var unavailable *tierwise.UnavailableError
			if c.works != (err == nil) || !c.works && !errors.As(err, &unavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCertificatesWithoutTLSAreRefused(t *testing.T) {
	certificate, _ := certified(t)
	_, err := tierwise.New("localhost:1", tierwise.WithTLS(false), tierwise.WithRootCertificates(certificate))
	if err == nil {
		t.Error("they are ignored")
	}
}
