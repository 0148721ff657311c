/**
 * A tierwise server for tests: {@link dev.tierwise.client.testing.FakeServer} plays what it is told
 * on a loopback port, and remembers what it was asked. No model, no key; it serves clients of other
 * languages too.
 */
package dev.tierwise.client.testing;
