package tierwise

// Version is the client's version; one version covers the server, the contract and every language's client.
const Version = "0.1.0"
