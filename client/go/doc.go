// Package tierwise is the Go client of tierwise, which sends each LLM task to the cheapest model tier that does it well.
//
// [New] connects to a server; [Client.Route] says which tier a task gets, [Client.Generate] runs it and returns the
// whole answer, [Client.Stream] gives it piece by piece:
//
//	client, err := tierwise.New("")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	answer, err := client.Generate(ctx, tierwise.Text("Is this spam? ..."), tierwise.WithTaskType("classify_intent"))
//
// The time limit of a call is its context's; [WithTimeout] sets the one of calls whose context has none. Ending the
// context stops the server's work. Every failed call is a [TierwiseError], found by errors.As, and so are the types that
// stand under it, such as [RateLimitedError].
//
// Where the program uses OpenTelemetry, each call is a CLIENT span of its tracer provider, and the server's spans hang
// from it. Package tierwisetest is a server for tests. What the clients of all languages have in common is in
// client/README.md of the repository.
package tierwise
