package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tierwise.v1.RoutingOptions;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

class TaskOptionsTest {
    private static final String HALF = "half \ud83d";

    @Test
    void optionThatIsNotGivenIsAbsent() {
        RoutingOptions routing = RouteOptions.DEFAULT.withTier("frontier").wishes.getRouting();
        assertFalse(routing.hasEscalation());
        assertFalse(routing.hasConfidenceThreshold());
        assertFalse(routing.hasMaxCostNanoUsd());
        assertTrue(
                RouteOptions.DEFAULT
                        .withConfidenceThreshold(0)
                        .wishes
                        .getRouting()
                        .hasConfidenceThreshold());
    }

    @Test
    void optionsAreNeverChanged() {
        RouteOptions.DEFAULT.withTaskType("x").withTimeout(Client.NO_TIMEOUT);
        assertEquals("", RouteOptions.DEFAULT.wishes.getTaskType());
        assertEquals(null, RouteOptions.DEFAULT.timeout);
    }

    @ParameterizedTest
    @CsvSource({
        "0.05, 50000000",
        "0.0000000019, 1",
        "0, 0",
        "1e-400, 0",
        "-0.0000000001, -1",
        "-1e-400, -1",
        "9223372036.854775807, 9223372036854775807",
        "1e3, 1000000000000",
    })
    void costCapIsRoundedDown(String usd, long nanoUsd) {
        assertEquals(
                nanoUsd,
                RouteOptions.DEFAULT.withMaxCostUsd(usd).wishes.getRouting().getMaxCostNanoUsd());
    }

    @ParameterizedTest
    @ValueSource(strings = {"five", "", "NaN", "9223372036.854775808", "1e2000000000"})
    void costCapThatIsNoAmountIsRefused(String usd) {
        assertThrows(
                IllegalArgumentException.class, () -> RouteOptions.DEFAULT.withMaxCostUsd(usd));
    }

    @Test
    void costInUsdIsExact() {
        Cost cost = new Cost(dev.tierwise.v1.Cost.newBuilder().setTotalNanoUsd(110_001).build());
        assertEquals(new BigDecimal("0.000110001"), cost.usd());
    }

    static Stream<Runnable> unsendable() {
        StreamOptions options = StreamOptions.DEFAULT;
        return Stream.of(
                () -> options.withTaskType(HALF),
                () -> options.withSystem(HALF),
                () -> options.withTier(HALF),
                () -> options.withMaxTier(HALF),
                () -> options.withStopSequences("a", HALF),
                () -> options.withRequestId(HALF),
                () -> options.withLabels(Map.of("a", HALF)),
                () -> options.withLabels(Map.of(HALF, "a")),
                () -> Prompt.of(HALF));
    }

    @ParameterizedTest
    @MethodSource("unsendable")
    void textThatCannotBeSentAsItIsIsRefused(Runnable make) {
        assertThrows(IllegalArgumentException.class, make::run);
    }

    @Test
    void emptyTextIsNoMessage() {
        assertEquals(List.of(), Prompt.of("").messages());
        assertEquals(1, Prompt.of("🙂").messages().size());
    }
}
