package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Descriptors.EnumValueDescriptor;

import dev.tierwise.v1.AccountingProto;
import dev.tierwise.v1.CallRecord;
import dev.tierwise.v1.ReasonProto;
import dev.tierwise.v1.RouterProto;
import dev.tierwise.v1.RoutingProto;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

class WordsTest {
    @Test
    void everyWordOfTheContractIsHere() throws ClassNotFoundException {
        var enums =
                Stream.of(
                                AccountingProto.getDescriptor(),
                                ReasonProto.getDescriptor(),
                                RouterProto.getDescriptor(),
                                RoutingProto.getDescriptor())
                        .flatMap(file -> file.getEnumTypes().stream())
                        .toList();
        assertEquals(11, enums.size());
        for (var words : enums) {
            String zero = words.findValueByNumber(0).getName();
            String prefix = zero.substring(0, zero.length() - "UNSPECIFIED".length());
            Set<String> theirs =
                    words.getValues().stream()
                            .map(EnumValueDescriptor::getName)
                            .map(name -> name.substring(prefix.length()))
                            .collect(Collectors.toSet());
            Class<?> type = Class.forName("dev.tierwise.client." + words.getName());
            Set<String> ours =
                    Stream.of(type.getEnumConstants())
                            .map(word -> ((Enum<?>) word).name())
                            .collect(Collectors.toSet());
            if (type == DraftDelivery.class) {
                // What a caller asks for; to ask for nothing is to leave it out.
                theirs.remove("UNSPECIFIED");
            }
            assertEquals(theirs, ours, words.getName());
        }
    }

    @Test
    void wordThatIsNewerThanThisClientIsUnspecifiedAndTheMessageHasIt() {
        dev.tierwise.client.CallRecord call =
                new dev.tierwise.client.CallRecord(
                        CallRecord.newBuilder().setKindValue(99).setStatusValue(2).build());
        assertEquals(CallKind.UNSPECIFIED, call.kind());
        assertEquals(CallStatus.FAILED, call.status());
        assertEquals(99, call.message().getKindValue());
    }

    @Test
    void listOfWordsIsRead() {
        RouteDecision decision =
                new RouteDecision(
                        dev.tierwise.v1.RouteDecision.newBuilder()
                                .addAdjustmentsValue(3)
                                .addAdjustmentsValue(98)
                                .build());
        assertEquals(
                List.of(RoutingAdjustment.CAPPED, RoutingAdjustment.UNSPECIFIED),
                decision.adjustments());
    }
}
