/** The code generated from the contract, for programs that use it alone or give messages as they are. */
export * from "#proto/tierwise/v1/accounting_pb.js";
export * from "#proto/tierwise/v1/message_pb.js";
export * from "#proto/tierwise/v1/reason_pb.js";
export * from "#proto/tierwise/v1/router_pb.js";
export * from "#proto/tierwise/v1/routing_pb.js";
