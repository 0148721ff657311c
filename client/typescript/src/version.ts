/** The client's version; one version covers the server, the contract and every language's client. */
export const VERSION = "0.1.0";
