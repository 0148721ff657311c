package dev.tierwise.client;

/**
 * What is wrong with one field of the request.
 *
 * @param field its path in the contract's words, e.g. "routing.tier"
 * @param description for people
 */
public record FieldViolation(String field, String description) {}
