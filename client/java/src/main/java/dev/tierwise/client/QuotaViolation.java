package dev.tierwise.client;

/**
 * Which limit was reached.
 *
 * @param subject whose limit
 * @param description for people
 */
public record QuotaViolation(String subject, String description) {}
