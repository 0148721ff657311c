/**
 * The tierwise client: {@link dev.tierwise.client.Client} sends each task to the cheapest model
 * tier that does it well.
 *
 * <p>Money is a whole number of nano-USD, beside an exact decimal in USD. What is absent in the
 * contract is empty here, never a zero. Every value has {@code message()}, the message of {@code
 * dev.tierwise.v1} that it is read from.
 */
package dev.tierwise.client;
